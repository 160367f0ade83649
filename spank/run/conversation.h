// SPDX-License-Identifier: GPL-2.0-or-later
// One session's conversation with the guest, client side (docs/channel-protocol.md), without any
// descriptor: bytes of the connection go in and out, and the connection may break and be made again
// at any moment. Promises:
//   - every output byte is handed out once, in order, whatever was sent twice;
//   - every input byte reaches the guest once, in order;
//   - at most one window of each stream is held, however the other end behaves (a violation is an
//   Error).
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "plugins/channel/frame.h"

namespace holon::run {

class Conversation {
  public:
    // OPEN is the OpenRequest's JSON; INPUT is false where the program gets none.
    Conversation(std::uint64_t session, std::string open, bool input);
    // A session that was saved with its VM: output is wanted from these offsets on. Before
    // connected(). Of its input the VM has a part, too: how much, is known once it has answered.
    void go_on_from(std::uint64_t out, std::uint64_t err);
    // Then, once: the offset from which input() is expected to be.
    std::optional<std::uint64_t> take_input_start() { return std::exchange(input_start_, {}); }

    // A connection is there (first or again): queues what must be said on it.
    void connected();
    // The connection is gone, with all that was queued on it.
    void disconnected();
    bool is_connected() const { return connected_; }

    // Bytes from the connection. Throws std::runtime_error, std::length_error or holon::Error for
    // what no honest peer sends.
    void feed(std::string_view bytes);
    // Bytes for the connection; consumed() tells how many were taken.
    std::string_view outgoing() const { return std::string_view(out_).substr(out_start_); }
    void consumed(std::size_t count);

    // Output for the user, in order; written() tells how many bytes of it have left.
    std::string_view pending(channel::Stream stream) const;
    void written(channel::Stream stream, std::size_t count);
    // Lines for the user's stderr, without line end.
    std::deque<std::string>& notices() { return notices_; }

    // Input: how much may be added now (0 also while nothing is listening), and the adding.
    std::size_t input_room() const;
    void input(std::string_view bytes);
    void input_end();

    // While there is no connection it is held back for the next one.
    void signal(int number, channel::Scope scope);
    // The same of a signal by which Slurm may announce that the job is preempted: holond hears of
    // it. Where it is HELD it is passed on when holond says so; without a connection, when there is
    // one again.
    void warned(int number, channel::Scope scope, bool held);
    void window_size(unsigned short rows, unsigned short columns);

    // holond wants to know how far the output was written: the number of its question. Answered
    // with what output_marks() (output.h) says.
    const std::optional<std::uint64_t>& mark() const { return mark_; }
    std::uint64_t written(channel::Stream stream) const { return output(stream).written; }
    void marked(const std::string& streams);

    // How the session ended. Exited: all output was received (perhaps not yet written).
    struct Exited {
        int status = 0;  // as of waitpid(2)
    };
    struct NotStarted {
        std::string error;
        int status = 127;
    };
    struct Lost {
        std::string reason;
    };
    const std::optional<Exited>& exited() const { return exited_; }
    const std::optional<NotStarted>& not_started() const { return not_started_; }
    const std::optional<Lost>& lost() const { return lost_; }
    bool ended() const { return exited_ || not_started_ || lost_; }
    bool output_done() const { return out_stream_.empty() && err_stream_.empty(); }
    // The last word, after which the guest forgets the session.
    void close();

  private:
    struct Output {
        std::string bytes;           // received, not yet written
        std::size_t start = 0;       // of them, written since the last compaction
        std::uint64_t received = 0;  // offset behind the last byte received
        std::uint64_t written = 0;
        std::uint64_t acknowledged = 0;
        bool ended = false;
        bool empty() const { return start == bytes.size(); }
    };
    struct Warning {
        int number;
        channel::Scope scope;
        bool held;
    };
    void handle(const channel::Frame& frame);
    void output_data(const channel::Frame& frame);
    void attached(std::uint64_t offset);
    void send(channel::Frame frame);
    void send_input_from(std::uint64_t offset);
    void acknowledge(channel::Stream stream, bool always);
    void tell(const Warning& warning);
    void answered(int number, bool drop);
    Output& output(channel::Stream stream);
    const Output& output(channel::Stream stream) const;

    const std::uint64_t session_;
    const std::string open_;
    channel::Decoder decoder_{channel::Decoder::Mode::strict};
    std::string out_;
    std::size_t out_start_ = 0;
    bool connected_ = false;
    bool reconnected_ = false;  // there was a connection before
    bool known_ = false;        // the guest has said something about this session
    bool input_flows_ = false;  // after a reconnect only once the guest has said from where
    Output out_stream_, err_stream_;
    std::string input_;  // from input_base_ on, not acknowledged
    std::uint64_t input_base_ = 0;
    bool input_wanted_;
    bool input_ended_ = false;
    bool going_on_ = false;  // with a saved session that has not answered yet
    std::optional<std::uint64_t> input_start_;
    std::deque<std::string> notices_;
    std::vector<std::pair<int, channel::Scope>> held_signals_;
    std::vector<Warning> warnings_;  // that holond has not answered
    std::optional<std::array<unsigned short, 2>> window_;
    std::optional<std::uint64_t> mark_;
    std::optional<Exited> exited_;
    std::optional<NotStarted> not_started_;
    std::optional<Lost> lost_;
};

}  // namespace holon::run

// SPDX-License-Identifier: GPL-2.0-or-later
//
// A page link: the ordered stream of frames between the agents of the home and of one body process.
// Never blocks: what the socket does not take is queued. Its user holds the space lock.
#pragma once

#include "ssi/runtime/sys.h"
#include "ssi/wire/frame.h"

namespace holon::ssi {

class Link {
  public:
    /// Takes over a connected socket. False: no memory.
    bool open(int socket);
    /// Small frames wait for flush(). Of all links; under the space lock (memory::Batch).
    static inline bool collect = false;
    int descriptor() const { return socket_; }

    /// Queues the frame and `frame.length` bytes; sets frame.clock; sends what the socket takes, or
    /// leaves small frames for a later flush() if they are being collected.
    void send(wire::Frame frame, const void* payload);
    /// Sends queued bytes.
    void flush();
    bool wants_to_send() const { return out_begin_ != out_end_; }
    /// So much is queued that no more commands should be taken from the peer.
    bool congested() const { return out_end_ - out_begin_ > congestion; }
    /// Frames sent so far, modulo 2^32.
    std::uint32_t position() const { return position_; }

    /// The other side is there: it is asked when it has been silent for a while, and false is
    /// returned when it has not answered for so long that it will not. `now`: agent_clock().
    bool alive(std::uint64_t now);
    /// ns of silence after which it is lost: the daemon's --timeout. Longer than any pause of all
    /// nodes at once that the engine should outlive.
    static inline std::uint64_t give_up_after = 60'000'000'000;
    /// The other side, asked soon, has said nothing for a second: it is stopped, or has no CPU.
    bool silent(std::uint64_t now);

    /// Reads what is there: 0, or -errno; -e_badf where the peer is gone.
    long fill();
    /// The next complete frame, or null. Its payload follows it and is valid until the next call.
    /// `error` is set where the stream is not ours.
    const wire::Frame* next(long& error);

  private:
    static constexpr std::size_t capacity = 16 << 20;  ///< of the queue: address space, not memory
    static constexpr std::size_t congestion = 1 << 20;
    static constexpr std::size_t in_capacity = 512 << 10;
    static constexpr std::size_t large = 16 << 10;  ///< a payload that is worth a call of its own

    void queue(const void* data, std::size_t size);
    std::size_t send_now(const void* header, const void* payload, std::size_t size);

    int socket_;
    std::uint8_t* out_;
    std::size_t out_begin_, out_end_;
    std::uint8_t* in_;
    std::size_t in_begin_, in_end_;
    std::uint32_t position_;
    std::uint64_t heard_, asked_;  ///< agent_clock() of the last bytes that came, of the last ping
};

}  // namespace holon::ssi

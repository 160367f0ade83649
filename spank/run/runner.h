// SPDX-License-Identifier: GPL-2.0-or-later
// Stands where the task's program would be: waits until the job's VMs are ready, runs the program
// in its VM, and ends as the program ended. One thread, one poll loop; whatever happens to holond
// meanwhile, the connection is made again and the conversation goes on where it was.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "plugins/os/fd.h"
#include "spank/run/arguments.h"
#include "spank/run/conversation.h"
#include "spank/run/output.h"
#include "spank/run/terminal.h"

namespace holon::run {

// How holon-run is to end.
struct Ending {
    int code = 1;
    int signal = 0;  // not 0: by this signal
};

// All signals that holon-run takes, from then on to be read from the descriptor.
os::Fd open_signals();
// By which Slurm may announce that the job is preempted, as holond's answer to `session` has it,
// and whether they are held back until holond knows.
std::map<int, bool> signals_that_warn(const nlohmann::json& granted);

class Runner {
  public:
    explicit Runner(Arguments arguments);
    ~Runner();
    Ending run();

  private:
    using Clock = std::chrono::steady_clock;
    enum class Phase { waiting, asking, running };

    bool fault_of_prolog();
    void step(Clock::time_point wake);
    // the connection
    void connect();
    void connection_lost();
    void read_socket();
    void write_socket();
    void handle_message(const nlohmann::json& message);
    void waiting_message(const nlohmann::json& message);
    void session_granted(const nlohmann::json& message);
    void begin_session(const nlohmann::json& message);
    bool go_on_with_session(const nlohmann::json& message);
    // the user's side
    void read_signals();
    void pass_on(int signal);
    void read_input();
    void begin_input();
    void write_output();
    void show_phase(std::string line);
    void show_phases(bool now);
    void say(const std::string& line);
    void end(int code);
    void finish_session();
    Clock::time_point next_event() const;

    const Arguments arguments_;
    std::uint64_t session_;
    Phase phase_ = Phase::waiting;
    std::optional<Ending> ending_;

    os::Fd signals_;
    os::Fd socket_;
    std::string to_send_, received_;  // messages; frames are in conversation_
    std::optional<Clock::time_point> down_since_;
    Clock::time_point retry_at_{};
    std::chrono::milliseconds retry_after_{0};

    std::vector<std::string> phases_;  // lines held back, see show_phase
    std::vector<std::string> shown_;   // and those that were said
    std::size_t phases_seen_ = 0, phases_known_ = 0;
    Clock::time_point quiet_until_{};

    std::unique_ptr<Conversation> conversation_;
    std::string vm_ = "the VM";
    Terminal terminal_;
    Output stdout_{1}, stderr_{2};
    bool out_full_ = false, err_full_ = false;
    std::vector<int> early_signals_;
    std::map<int, bool> warned_by_;
};

}  // namespace holon::run

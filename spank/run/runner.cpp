// SPDX-License-Identifier: GPL-2.0-or-later
#include "spank/run/runner.h"

#include <poll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "plugins/os/error.h"
#include "plugins/os/file.h"
#include "plugins/rpc/rpc.h"
#include "spank/run/continuation.h"
#include "spank/run/signals.h"

extern char** environ;

namespace holon::run {
namespace {

using namespace std::chrono_literals;

constexpr auto patience = 60s;         // for a holond that is away
constexpr auto longest_pause = 500ms;  // between attempts to reach it
constexpr auto quiet = 500ms;          // a step in running VMs says nothing about their boot
constexpr std::size_t chunk = 64 * 1024;
constexpr std::size_t most_frames_queued = 2 * channel::stream_window;

std::uint64_t random_session() {
    std::uint64_t id = 0;
    while (id == 0)
        if (::getrandom(&id, sizeof id, 0) != sizeof id) throw Error("getrandom: {}", errno_text());
    return id;
}

std::string host_name() {
    if (const char* name = ::getenv("SLURMD_NODENAME")) return name;
    char name[256] = {};
    ::gethostname(name, sizeof name - 1);
    return name;
}

std::string text_in(const nlohmann::json& json, const char* key) {
    auto found = json.find(key);
    return found != json.end() && found->is_string() ? found->get<std::string>() : "";
}

bool has_input() {
    struct stat s {};
    if (::fstat(STDIN_FILENO, &s) != 0) return false;
    struct stat null {};
    return !S_ISCHR(s.st_mode) || ::stat("/dev/null", &null) != 0 || s.st_rdev != null.st_rdev;
}

OpenRequest open_request(const Arguments& arguments, const Terminal& terminal,
                         const nlohmann::json& granted) {
    OpenRequest request;
    request.argv = arguments.program;
    std::vector<std::string> environment;
    for (char** entry = environ; *entry != nullptr; ++entry) environment.emplace_back(*entry);
    std::map<std::string, std::string> holon;
    if (auto env = granted.find("env"); env != granted.end() && env->is_object())
        for (const auto& [name, value] : env->items())
            if (value.is_string()) holon[name] = value.get<std::string>();
    if (auto smp = granted.find("smp"); smp != granted.end() && smp->is_object())
        environment =
            as_on_one_node(environment, text_in(*smp, "hostname"), smp->value("cpus", 1u));
    os::Identity user;
    try {
        user = os::identity_of(::getuid());
    } catch (const Error&) {
        // a uid that this host does not know has no name in the VM either
    }
    request.environment = guest_environment(environment, user, holon);
    request.limits = task_limits(environment, current_limits());
    std::error_code error;
    request.cwd = std::filesystem::current_path(error).string();
    if (request.cwd.empty()) request.cwd = "/";
    request.umask = ::umask(022);
    ::umask(request.umask);
    if (terminal.present()) request.terminal = terminal.size();
    if (arguments.batch()) request.script = os::read_file(arguments.program.front());
    request.input = has_input();
    return request;
}

}  // namespace

Runner::Runner(Arguments arguments)
    : arguments_(std::move(arguments)), session_(random_session()), signals_(open_signals()) {}

Runner::~Runner() = default;

Ending Runner::run() {
    try {
        if (fault_of_prolog()) return Ending{};
        connect();
        while (!ending_) step(next_event());
    } catch (const std::exception& error) {
        say(error.what());
        ending_ = Ending{};
    }
    terminal_.restore();
    return *ending_;
}

// The prolog could not hand the job to holond; see spank/job_record.h.
bool Runner::fault_of_prolog() {
    auto folder = std::filesystem::path(arguments_.socket).parent_path() / "jobs" /
                  std::to_string(arguments_.job);
    auto line = os::read_file_if_exists(folder / "error");
    if (!line) return false;
    while (!line->empty() && line->back() == '\n') line->pop_back();
    if (arguments_.local_task == 0) say(*line);
    return true;
}

Runner::Clock::time_point Runner::next_event() const {
    auto at = Clock::time_point::max();
    if (!socket_.valid() && !(conversation_ && conversation_->ended()))
        at = std::min(at, retry_at_);
    if (!phases_.empty()) at = std::min(at, quiet_until_);
    return at;
}

void Runner::step(Clock::time_point wake) {
    int timeout = -1;
    if (wake != Clock::time_point::max()) {
        auto left = std::chrono::ceil<std::chrono::milliseconds>(wake - Clock::now()).count();
        timeout = static_cast<int>(std::max<long long>(left, 0));
    }
    bool talking = phase_ == Phase::running;
    bool frames = talking && conversation_->is_connected() && !conversation_->outgoing().empty();
    bool input = talking && conversation_->input_room() > 0 &&
                 conversation_->outgoing().size() < most_frames_queued;
    pollfd entries[] = {
        {signals_.get(), POLLIN, 0},
        {socket_.get(), static_cast<short>(POLLIN | (!to_send_.empty() || frames ? POLLOUT : 0)),
         0},
        {input ? STDIN_FILENO : -1, POLLIN, 0},
        {out_full_ ? STDOUT_FILENO : -1, POLLOUT, 0},
        {err_full_ ? STDERR_FILENO : -1, POLLOUT, 0},
    };
    if (::poll(entries, std::size(entries), timeout) < 0) {
        if (errno != EINTR) throw Error("poll: {}", errno_text());
        return;
    }
    if (entries[0].revents != 0) read_signals();
    if (ending_) return;
    if (entries[2].revents != 0) read_input();
    if (socket_.valid() && (entries[1].revents & POLLOUT) != 0) write_socket();
    if (socket_.valid() && (entries[1].revents & (POLLIN | POLLHUP | POLLERR)) != 0) read_socket();
    if (entries[3].revents != 0) out_full_ = false;
    if (entries[4].revents != 0) err_full_ = false;
    if (phase_ == Phase::running && !ending_) write_output();
    if (!ending_ && !socket_.valid() && Clock::now() >= retry_at_ &&
        !(conversation_ && conversation_->ended()))
        connect();
    show_phases(false);
}

// --- the connection
// --------------------------------------------------------------------------------------------------

void Runner::connect() {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (arguments_.socket.size() >= sizeof address.sun_path)
        throw Error("{}: path too long for a socket", arguments_.socket);
    std::memcpy(address.sun_path, arguments_.socket.c_str(), arguments_.socket.size() + 1);
    socket_.reset(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!socket_.valid()) throw Error("socket: {}", errno_text());
    if (::connect(socket_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
        connection_lost();
        return;
    }
    received_.clear();
    nlohmann::json request;
    if (phase_ == Phase::waiting) {
        request = {{"op", "wait"}, {"job", arguments_.job}, {"scope", "all"}};
        phases_seen_ = 0;
        if (quiet_until_ == Clock::time_point{}) quiet_until_ = Clock::now() + quiet;
    } else {
        phase_ = Phase::asking;
        request = {{"op", "session"},
                   {"job", arguments_.job},
                   {"session", fmt::format("{:016x}", session_)},
                   {"step", arguments_.step},
                   {"local_task", arguments_.local_task},
                   {"local_tasks", arguments_.local_tasks},
                   {"resume", conversation_ != nullptr},
                   {"marks", true}};
    }
    to_send_ = rpc::frame(request.dump());
}

void Runner::connection_lost() {
    socket_.reset();
    to_send_.clear();
    received_.clear();
    if (conversation_) conversation_->disconnected();
    if (phase_ == Phase::running && conversation_->ended()) return;  // only output is left to write
    auto now = Clock::now();
    if (!down_since_) {
        down_since_ = now;
        retry_after_ = 20ms;
    }
    if (now - *down_since_ >= patience)
        throw Error("job {}: holond on {} has not answered for {} seconds; given up",
                    arguments_.job, host_name(), std::chrono::seconds(patience).count());
    retry_at_ = now + retry_after_;
    retry_after_ = std::min(2 * retry_after_, std::chrono::milliseconds(longest_pause));
}

void Runner::write_socket() {
    for (;;) {
        bool message = !to_send_.empty();
        std::string_view bytes = to_send_;
        if (!message) {
            if (phase_ != Phase::running) return;
            bytes = conversation_->outgoing();
        }
        if (bytes.empty()) return;
        ssize_t n = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (n < 0) {
            if (errno == EINTR) continue;
            if (errno != EAGAIN) connection_lost();
            return;
        }
        if (message)
            to_send_.erase(0, static_cast<std::size_t>(n));
        else
            conversation_->consumed(static_cast<std::size_t>(n));
    }
}

void Runner::read_socket() {
    char bytes[chunk];
    ssize_t n = ::recv(socket_.get(), bytes, sizeof bytes, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n <= 0) return connection_lost();
    if (phase_ == Phase::running) {
        conversation_->feed(std::string_view(bytes, static_cast<std::size_t>(n)));
        begin_input();
        return;
    }
    received_.append(bytes, static_cast<std::size_t>(n));
    std::string message;
    while (phase_ != Phase::running && socket_.valid() && !ending_ &&
           rpc::unframe(received_, message)) {
        auto json = nlohmann::json::parse(message, nullptr, false);
        if (!json.is_object())
            throw Error("holond on {} sent something that is not JSON", host_name());
        handle_message(json);
    }
    if (phase_ == Phase::running && !received_.empty()) {
        conversation_->feed(std::exchange(received_, {}));
        begin_input();
    }
}

void Runner::handle_message(const nlohmann::json& message) {
    down_since_.reset();
    if (message.contains("error")) {
        if (arguments_.local_task == 0 || phase_ == Phase::asking) say(text_in(message, "error"));
        end(1);
    } else if (phase_ == Phase::waiting) {
        waiting_message(message);
    } else {
        session_granted(message);
    }
}

void Runner::waiting_message(const nlohmann::json& message) {
    std::string event = text_in(message, "event");
    if (event == "phase") {
        show_phase(text_in(message, "text"));
    } else if (event == "booted") {
        show_phase(
            fmt::format("booted {}/{}", message.value("ready", 0), message.value("total", 0)));
    } else if (event == "ready") {
        if (Clock::now() < quiet_until_ && phases_known_ == phases_.size())
            phases_.clear();
        else
            show_phase(fmt::format("ready after {:.1f} s", message.value("seconds", 0.0)));
        show_phases(true);
        phase_ = Phase::asking;
        connect();
    } else if (event == "failed") {
        show_phases(true);
        if (arguments_.speaks()) {
            say(fmt::format("job {}: {}", arguments_.job, text_in(message, "reason")));
            if (auto lines = message.find("console"); lines != message.end() && lines->is_array())
                for (const auto& line : *lines)
                    if (line.is_string()) say("console: " + line.get<std::string>());
        }
        end(1);
    }
}

void Runner::session_granted(const nlohmann::json& message) {
    vm_ = text_in(message, "vm");
    if (!conversation_) {
        if (!go_on_with_session(message)) begin_session(message);
        warned_by_ = signals_that_warn(message);
        for (int signal : early_signals_) pass_on(signal);
        terminal_.make_raw();
        stdout_.stop_blocking();
        stderr_.stop_blocking();
    }
    phase_ = Phase::running;
    conversation_->connected();
}

void Runner::begin_session(const nlohmann::json& message) {
    // Slurm appends, so that a job that goes on from a checkpoint finds its output; this one
    // begins, and its own lines are those said already.
    if (message.value("truncate", false)) {
        cut_off(STDOUT_FILENO);
        cut_off(STDERR_FILENO);
        for (const auto& line : shown_) say(line);
    }
    auto request = open_request(arguments_, terminal_, message);
    conversation_ = std::make_unique<Conversation>(session_, to_json(request), request.input);
}

// True where the VM came from a checkpoint and has the program already.
bool Runner::go_on_with_session(const nlohmann::json& message) {
    const auto saved = continuation_of(message);
    if (!saved) return false;
    session_ = saved->session;
    conversation_ = std::make_unique<Conversation>(session_, std::string(), true);
    conversation_->go_on_from(saved->out.offset, saved->err.offset);
    if (!has_input()) conversation_->input_end();
    const auto told = [this](const char* what, const std::string& why) {
        if (!why.empty()) say(fmt::format("job {}: {}: {}", arguments_.job, what, why));
    };
    const bool truncate = message.value("truncate", false);
    const std::string out = cut_back(STDOUT_FILENO, saved->out, truncate);
    const std::string err = cut_back(STDERR_FILENO, saved->err, truncate);
    told("standard output", out);
    if (err != out) told("standard error", err);
    return true;
}

// --- the user's side
// -------------------------------------------------------------------------------------------------

// A program that goes on has read the first part of its input file. Of anything else, a pipe, what
// comes now is what it has not had.
void Runner::begin_input() {
    const auto start = conversation_->take_input_start();
    struct stat file {};
    if (start && ::fstat(STDIN_FILENO, &file) == 0 && S_ISREG(file.st_mode))
        ::lseek(STDIN_FILENO, static_cast<off_t>(*start), SEEK_SET);
}

void Runner::read_input() {
    char bytes[chunk];
    ssize_t n = ::read(STDIN_FILENO, bytes, std::min(sizeof bytes, conversation_->input_room()));
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n <= 0)
        conversation_->input_end();
    else
        conversation_->input(std::string_view(bytes, static_cast<std::size_t>(n)));
}

void Runner::write_output() {
    auto& notices = conversation_->notices();
    for (; !notices.empty(); notices.pop_front()) say(vm_ + ": " + notices.front());
    auto drain = [this](channel::Stream stream, Output& output, bool& full) {
        while (!full) {
            auto bytes = conversation_->pending(stream);
            if (bytes.empty()) return;
            std::size_t n = output.write(bytes);
            conversation_->written(stream, n);
            full = n == 0;
        }
    };
    drain(channel::Stream::out, stdout_, out_full_);
    drain(channel::Stream::err, stderr_, err_full_);
    if (conversation_->mark()) {
        const auto out = stdout_.mark("out", conversation_->written(channel::Stream::out));
        const auto err = stderr_.mark("err", conversation_->written(channel::Stream::err));
        conversation_->marked(nlohmann::json::array({out, err}).dump());
    }
    if (conversation_->ended() && conversation_->output_done()) finish_session();
}

void Runner::finish_session() {
    if (const auto& lost = conversation_->lost()) {
        say(fmt::format("job {}: {}", arguments_.job, lost->reason));
        return end(1);
    }
    conversation_->close();
    if (socket_.valid()) {
        // The guest frees what it keeps of us; should the word not reach it, it does so after a
        // while by itself.
        auto deadline = Clock::now() + 1s;
        while (socket_.valid() && !conversation_->outgoing().empty() && Clock::now() < deadline) {
            pollfd entry{socket_.get(), POLLOUT, 0};
            if (::poll(&entry, 1, 1000) > 0) write_socket();
        }
    }
    if (const auto& failed = conversation_->not_started()) {
        say(fmt::format("{}: {}", vm_, failed->error));
        return end(failed->status);
    }
    int status = conversation_->exited()->status;
    if (WIFSIGNALED(status))
        ending_ = Ending{128 + WTERMSIG(status), WTERMSIG(status)};
    else
        end(WEXITSTATUS(status));
}

// A step of a job whose VMs run for long gets "ready" at once, behind all that was ever said about
// their boot: that is no news, so lines wait a moment.
void Runner::show_phase(std::string line) {
    if (++phases_seen_ <= phases_known_) return;  // told again after a reconnect
    phases_known_ = phases_seen_;
    phases_.push_back(fmt::format("job {}: {}", arguments_.job, line));
}

void Runner::show_phases(bool now) {
    if (phases_.empty() || (!now && Clock::now() < quiet_until_)) return;
    if (arguments_.speaks())
        for (const auto& line : phases_) {
            say(line);
            shown_.push_back(line);
        }
    phases_.clear();
}

void Runner::say(const std::string& line) { stderr_.line(line, terminal_.raw()); }

void Runner::end(int code) { ending_ = Ending{code, 0}; }

}  // namespace holon::run

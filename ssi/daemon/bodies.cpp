// SPDX-License-Identifier: GPL-2.0-or-later
#include "ssi/daemon/bodies.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spdlog/spdlog.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "plugins/os/error.h"
#include "ssi/control/control.h"
#include "ssi/daemon/priority.h"

namespace holon::ssi::daemon {
namespace {

constexpr std::chrono::seconds end_time{5};  // of one whose home has ended
constexpr std::size_t max_line = 200;
constexpr int max_lines = 50;  // of one body process

struct Child {
    int runtime, control, link, userfaultfd, words;
    int error;  // an errno for the parent, 0 when ready; then it says go
    const BodyRequest* request;
    const char* node;
};

[[noreturn]] void give_up(int error_fd) {
    const int error = errno;
    [[maybe_unused]] const ssize_t count = ::write(error_fd, &error, sizeof error);
    ::_exit(127);
}

// Descriptors to their places: first all above the places, so that none is overwritten.
void place_descriptors(Child& child) {
    for (int* fd : {&child.runtime, &child.control, &child.link, &child.userfaultfd, &child.words,
                    &child.error}) {
        const int above = ::fcntl(*fd, F_DUPFD_CLOEXEC, 16);
        if (above < 0) give_up(child.error);
        *fd = above;
    }
    if (::dup2(child.control, body_control_fd) < 0 || ::dup2(child.link, body_link_fd) < 0 ||
        ::dup2(child.userfaultfd, body_userfaultfd_fd) < 0 || ::dup2(child.words, 2) < 0 ||
        ::dup2(child.runtime, 6) < 0 || ::dup2(child.error, 7) < 0)
        give_up(child.error);
    child.runtime = 6;
    child.error = 7;
    for (int fd = 0; fd < 2; ++fd) ::close(fd);
    ::syscall(SYS_close_range, 8, ~0u, 0);
    if (::fcntl(6, F_SETFD, FD_CLOEXEC) != 0 || ::fcntl(7, F_SETFD, FD_CLOEXEC) != 0) give_up(7);
}

// After fork in a process with threads: system calls only, and the raw ones where glibc's would
// look for the other threads.
[[noreturn]] void become_body(Child child) {
    place_descriptors(child);
    struct sigaction usual {};
    usual.sa_handler = SIG_DFL;
    for (int signal = 1; signal < NSIG; ++signal) ::sigaction(signal, &usual, nullptr);
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    ::setsid();
    if (::chdir("/") != 0) give_up(child.error);
    ::umask(022);
    rlimit files{};
    if (::getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        ::setrlimit(RLIMIT_NOFILE, &files);
    }
    const rlimit no_core{0, 0};
    ::setrlimit(RLIMIT_CORE, &no_core);
    const int score = ::open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (score >= 0) {
        [[maybe_unused]] const ssize_t count = ::write(score, "0", 1);
        ::close(score);
    }
    const BodyRequest& who = *child.request;
    if (::syscall(SYS_setgroups, who.groups.size(), who.groups.data()) != 0 ||
        ::syscall(SYS_setresgid, who.gid, who.gid, who.gid) != 0 ||
        ::syscall(SYS_setresuid, who.uid, who.uid, who.uid) != 0 ||
        ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        give_up(child.error);
    // All but execve has been done; the parent answers the other node before it says go, for a body
    // process may write to its link at once.
    const int good = 0;
    char go = 0;
    if (::write(child.error, &good, sizeof good) != sizeof good || ::read(child.error, &go, 1) != 1)
        ::_exit(127);
    char name[] = "ssi-body";
    char* const arguments[] = {name, const_cast<char*>(child.node), nullptr};
    char* const environment[] = {nullptr};
    ::syscall(SYS_execveat, child.runtime, "", arguments, environment, AT_EMPTY_PATH);
    give_up(child.error);
}

double seconds(const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
}

std::uint64_t nanoseconds(const timeval& time) {
    return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000 +
           static_cast<std::uint64_t>(time.tv_usec) * 1000;
}

int pidfd_of(pid_t pid) { return static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)); }

}  // namespace

struct Bodies::Body {
    pid_t pid = -1;
    uid_t uid = 0;
    os::Fd process;  // pidfd
    os::Fd control;
    os::Fd start;  // one byte lets it go
    os::Fd words;  // what it writes to descriptor 2
    std::string line;
    int lines = 0;
};

// To the log, as one who may say anything: printable, in bounded lines, of bounded number.
void Bodies::log_words(Body& body) {
    char text[512];
    const ssize_t count = ::read(body.words.get(), text, sizeof text);
    if (count <= 0) return body.words.reset();
    body.line.append(text, static_cast<std::size_t>(count));
    for (;;) {
        const std::size_t end = body.line.find('\n');
        if (end == std::string::npos && body.line.size() < max_line) return;
        if (++body.lines <= max_lines)
            spdlog::info("body process {}: {}", body.pid, printable(body.line.substr(0, end)));
        body.line.erase(0, end == std::string::npos ? end : end + 1);
    }
}

// Until it has ended. What it says on its control socket is read so that it never waits there, and
// means nothing.
void Bodies::watch(Body& body) {
    for (bool ended = false; !ended;) {
        pollfd entries[] = {{body.process.get(), POLLIN, 0},
                            {body.control.get(), POLLIN, 0},
                            {body.words.get(), POLLIN, 0}};
        if (::poll(entries, 3, -1) < 0) continue;
        ended = entries[0].revents != 0;
        if (entries[2].revents != 0) log_words(body);
        if (entries[1].revents != 0 && !ended &&
            !receive_packet(body.control.get(), sizeof(ControlMessage))) {
            ::shutdown(body.control.get(), SHUT_RDWR);  // no channel can reach it any more
            ::syscall(SYS_pidfd_send_signal, body.process.get(), SIGKILL, nullptr, 0);
            break;
        }
    }
}

std::shared_ptr<Bodies::Body> Bodies::start(const BodyRequest& request, std::uint32_t node,
                                            int link) {
    const os::Fd userfaultfd(::open("/dev/userfaultfd", O_RDWR | O_CLOEXEC));
    if (!userfaultfd.valid()) throw Error("/dev/userfaultfd: {}", errno_text());
    int control[2], start[2];
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control) != 0)
        throw Error("no socket for a body process: {}", errno_text());
    auto body = std::make_shared<Body>();
    body->control.reset(control[0]);
    const os::Fd its_control(control[1]);
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, start) != 0)
        throw Error("no socket for a body process: {}", errno_text());
    body->start.reset(start[0]);
    os::Fd its_start(start[1]);
    int words[2];
    if (::pipe2(words, O_CLOEXEC) != 0) throw Error("no pipe for a body process: {}", errno_text());
    body->words.reset(words[0]);
    os::Fd its_words(words[1]);
    const timeval limit{10, 0};  // for one that does not take its channels
    ::setsockopt(body->control.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    const std::string number = std::to_string(node);
    const Child child{.runtime = runtime_.fd.get(),
                      .control = its_control.get(),
                      .link = link,
                      .userfaultfd = userfaultfd.get(),
                      .words = its_words.get(),
                      .error = its_start.get(),
                      .request = &request,
                      .node = number.c_str()};
    body->uid = request.uid;
    body->pid = ::fork();
    if (body->pid < 0) throw Error("cannot start a body process: {}", errno_text());
    if (body->pid == 0) become_body(child);
    body->process.reset(pidfd_of(body->pid));
    // Its first thread is the agent; those that it makes are not like it.
    run_before_all(body->pid);
    its_start.reset();
    int failed = ESRCH;
    if (::read(body->start.get(), &failed, sizeof failed) != sizeof failed || failed != 0) {
        ::waitpid(body->pid, nullptr, 0);
        throw Error("cannot start a body process for uid {}: {}", request.uid, errno_text(failed));
    }
    return body;
}

void Bodies::run(const BodyRequest& request, std::uint32_t node, Connection& connection) {
    if (request.runtime != runtime_.digest)
        throw Error("its ssi-runtime is another build: install the same on all nodes");
    std::shared_ptr<Body> body;
    {
        const std::lock_guard lock(mutex_);
        if (closed_) throw Error("this node's daemon is about to end");
        if (bodies_.contains(request.token)) throw Error("there is already such a body process");
        bodies_.emplace(request.token, nullptr);
    }
    try {
        body = start(request, node, connection.fd());
    } catch (...) {
        const std::lock_guard lock(mutex_);
        bodies_.erase(request.token);
        throw;
    }
    {
        const std::lock_guard lock(mutex_);
        bodies_[request.token] = body;
    }
    spdlog::info("body process {} for uid {}", body->pid, body->uid);
    try {
        connection.send({MessageType::ok, {}});
        [[maybe_unused]] const ssize_t count = ::write(body->start.get(), "", 1);
    } catch (const Error& error) {
        spdlog::warn("body process {}: {}", body->pid, error.what());
    }
    body->start.reset();
    { const os::Fd ours = connection.release(); }
    watch(*body);
    int status = 0;
    rusage used{};
    ::wait4(body->pid, &status, 0, &used);
    if (WIFSIGNALED(status))
        spdlog::warn("body process {} for uid {} was killed by signal {}", body->pid, body->uid,
                     WTERMSIG(status));
    else
        spdlog::info("body process {} for uid {} ended; {:.2f} s of CPU time", body->pid, body->uid,
                     seconds(used.ru_utime) + seconds(used.ru_stime));
    spdlog::info("body process {} was process {}: CPU time {:.6f} s user, {:.6f} s system",
                 body->pid, request.process, seconds(used.ru_utime), seconds(used.ru_stime));
    {
        const std::lock_guard lock(mutex_);
        bodies_.erase(request.token);
        ended_.emplace_back(request.token,
                            BodyUsed{nanoseconds(used.ru_utime), nanoseconds(used.ru_stime)});
        if (ended_.size() > most_ended) ended_.pop_front();
    }
    one_ended_.notify_all();
}

BodyUsed Bodies::used(const Token& token) {
    std::unique_lock lock(mutex_);
    one_ended_.wait_for(lock, end_time, [&] { return !bodies_.contains(token); });
    const auto found = std::find_if(ended_.rbegin(), ended_.rend(),
                                    [&](const auto& each) { return each.first == token; });
    if (found == ended_.rend()) throw Error("no such body process has ended");
    return found->second;
}

void Bodies::pass(const ChannelRequest& request, Connection& connection) {
    std::shared_ptr<Body> body;
    {
        const std::lock_guard lock(mutex_);
        if (auto found = bodies_.find(request.token); found != bodies_.end()) body = found->second;
    }
    if (!body) throw Error("its body process has ended");
    connection.send({MessageType::ok, {}});
    ControlMessage message{};
    message.type = ControlType::channel;
    message.value = request.value;
    const os::Fd socket = connection.release();
    send_packet(body->control.get(), {reinterpret_cast<const char*>(&message), sizeof message},
                socket.get());
}

std::vector<Bodies::Info> Bodies::list() const {
    const std::lock_guard lock(mutex_);
    std::vector<Info> list;
    for (const auto& [token, body] : bodies_)
        if (body) list.push_back({body->pid, body->uid});
    return list;
}

void Bodies::end_all() {
    std::vector<std::shared_ptr<Body>> all;
    {
        const std::lock_guard lock(mutex_);
        closed_ = true;
        for (const auto& [token, body] : bodies_)
            if (body) all.push_back(body);
    }
    for (const auto& body : all)
        ::syscall(SYS_pidfd_send_signal, body->process.get(), SIGKILL, 0, 0);
    for (const auto& body : all) {
        pollfd entry{body->process.get(), POLLIN, 0};
        ::poll(&entry, 1, 5000);
    }
}

}  // namespace holon::ssi::daemon

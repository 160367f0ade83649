// SPDX-License-Identifier: GPL-2.0-or-later
#include "plugins/os/process.h"

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "plugins/os/error.h"

namespace holon::os {
namespace {

constexpr size_t max_output = 16u << 20;

// Between fork and exec only async-signal-safe calls are made: the parent may have other threads.
[[noreturn]] void give_up(const char* what) {
    int saved = errno;
    const char* text = ::strerrordesc_np(saved);
    auto print = [](const char* s) { [[maybe_unused]] auto n = ::write(2, s, std::strlen(s)); };
    print(what);
    print(": ");
    print(text ? text : "error");
    print("\n");
    ::_exit(127);
}

void become(const Identity& who) {
    // The raw calls: glibc's wrappers signal every thread, which do not exist in a forked child.
    if (::syscall(SYS_setgroups, who.groups.size(), who.groups.data()) != 0) give_up("setgroups");
    if (::syscall(SYS_setresgid, who.gid, who.gid, who.gid) != 0) give_up("setresgid");
    if (::syscall(SYS_setresuid, who.uid, who.uid, who.uid) != 0) give_up("setresuid");
}

void reset_signals() {
    struct sigaction default_action {};
    default_action.sa_handler = SIG_DFL;
    for (int signal = 1; signal < NSIG; ++signal) ::sigaction(signal, &default_action, nullptr);
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

struct Pipe {
    Fd read, write;
    Pipe() {
        int fds[2];
        if (::pipe2(fds, O_CLOEXEC) != 0) throw Error("pipe: {}", errno_text());
        read.reset(fds[0]);
        write.reset(fds[1]);
    }
};

std::string last_line(const std::string& text) {
    size_t end = text.find_last_not_of("\n \t\r");
    if (end == std::string::npos) return {};
    size_t start = text.find_last_of('\n', end);
    start = start == std::string::npos ? 0 : start + 1;
    return text.substr(start, end - start + 1);
}

std::string status_text(int status) {
    if (WIFSIGNALED(status)) return fmt::format("killed by signal {}", WTERMSIG(status));
    return fmt::format("exit {}", WEXITSTATUS(status));
}

// The two output pipes are read, and the input pipe is fed, until the child has closed both
// outputs.
void converse(Pipe& in, Pipe& out, Pipe& err, const RunOptions& options, RunResult& result,
              pid_t child) {
    ::signal(SIGPIPE, SIG_IGN);
    for (Fd* fd : {&in.write, &out.read, &err.read}) ::fcntl(fd->get(), F_SETFL, O_NONBLOCK);
    auto deadline = std::chrono::steady_clock::now() + options.timeout;
    size_t fed = 0;
    if (options.input.empty()) in.write.reset();
    while (out.read.valid() || err.read.valid()) {
        pollfd polls[3] = {
            {in.write.get(), POLLOUT, 0}, {out.read.get(), POLLIN, 0}, {err.read.get(), POLLIN, 0}};
        auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
            deadline - std::chrono::steady_clock::now());
        if (left.count() <= 0) {
            ::kill(child, SIGKILL);
            ::waitpid(child, nullptr, 0);
            throw Error("no end after {} s; killed", options.timeout.count() / 1000);
        }
        if (::poll(polls, 3, static_cast<int>(left.count())) < 0 && errno != EINTR)
            throw Error("poll: {}", errno_text());
        if (polls[0].revents != 0) {
            ssize_t n =
                ::write(in.write.get(), options.input.data() + fed, options.input.size() - fed);
            if (n > 0) fed += static_cast<size_t>(n);
            if (fed == options.input.size() || (n < 0 && errno != EAGAIN && errno != EINTR))
                in.write.reset();
        }
        auto drain = [](Fd& fd, std::string& into) {
            char chunk[16384];
            ssize_t n = ::read(fd.get(), chunk, sizeof chunk);
            if (n > 0 && into.size() < max_output) into.append(chunk, static_cast<size_t>(n));
            if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) fd.reset();
        };
        if (polls[1].revents != 0) drain(out.read, result.out);
        if (polls[2].revents != 0) drain(err.read, result.err);
    }
}

// Its standard descriptors are IN, OUT and ERR, all others are closed.
pid_t start(const std::vector<std::string>& argv, const RunOptions& options, int in, int out,
            int err) {
    std::vector<char*> arguments, environment;
    for (const auto& argument : argv) arguments.push_back(const_cast<char*>(argument.c_str()));
    arguments.push_back(nullptr);
    std::vector<std::string> env = options.env;
    if (env.empty())
        env = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C"};
    for (const auto& entry : env) environment.push_back(const_cast<char*>(entry.c_str()));
    environment.push_back(nullptr);

    const pid_t parent = ::getpid();
    pid_t child = ::fork();
    if (child < 0) throw Error("{}: fork: {}", argv.front(), errno_text());
    if (child == 0) {
        reset_signals();
        ::dup2(in, 0);
        ::dup2(out, 1);
        ::dup2(err, 2);
        ::syscall(SYS_close_range, 3u, ~0u, 0u);
        if (options.as) become(*options.as);
        // Last, for a change of identity clears it; and the parent may be dead by now.
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (::getppid() != parent) ::_exit(127);
        if (::chdir(options.working_directory.c_str()) != 0)
            give_up(options.working_directory.c_str());
        ::execvpe(arguments[0], arguments.data(), environment.data());
        give_up(arguments[0]);
    }
    return child;
}

}  // namespace

Identity identity_of(uid_t uid) {
    std::string buffer(16384, '\0');
    passwd entry{};
    passwd* found = nullptr;
    int error = ::getpwuid_r(uid, &entry, buffer.data(), buffer.size(), &found);
    if (found == nullptr)
        throw Error("uid {} is not known on this host{}", uid,
                    error ? ": " + errno_text(error) : "");
    Identity who{uid, entry.pw_gid, {}, entry.pw_name, entry.pw_dir, entry.pw_shell};
    int count = 64;
    who.groups.resize(64);
    if (::getgrouplist(entry.pw_name, entry.pw_gid, who.groups.data(), &count) < 0) {
        who.groups.resize(static_cast<size_t>(count));
        ::getgrouplist(entry.pw_name, entry.pw_gid, who.groups.data(), &count);
    }
    who.groups.resize(static_cast<size_t>(count));
    return who;
}

Child::Child(const std::vector<std::string>& argv, const RunOptions& options, Fd input, Fd output) {
    Pipe messages;
    pid_ = start(argv, options, input.get(), output.valid() ? output.get() : messages.write.get(),
                 messages.write.get());
    messages_ = std::move(messages.read);
}

Child::~Child() {
    kill();
    wait();
}

void Child::kill() {
    std::lock_guard guard(lock_);
    if (pid_ > 0) ::kill(pid_, SIGKILL);
}

int Child::wait() {
    // The pid is not given up before the lock is held: kill() must not meet another process.
    siginfo_t ended{};
    while (pid_ > 0 && ::waitid(P_PID, static_cast<id_t>(pid_), &ended, WEXITED | WNOWAIT) < 0 &&
           errno == EINTR) {
    }
    std::lock_guard guard(lock_);
    while (pid_ > 0 && ::waitpid(pid_, &status_, 0) < 0 && errno == EINTR) {
    }
    pid_ = -1;
    return status_;
}

RunResult run(const std::vector<std::string>& argv, const RunOptions& options) {
    Pipe in, out, err;
    RunResult result;
    const pid_t child = start(argv, options, in.read.get(), out.write.get(), err.write.get());
    in.read.reset();
    out.write.reset();
    err.write.reset();
    try {
        converse(in, out, err, options, result, child);
    } catch (const Error& error) {
        throw Error("{}: {}", argv.front(), error.what());
    }
    while (::waitpid(child, &result.status, 0) < 0 && errno == EINTR) {
    }
    return result;
}

std::string run_checked(const std::vector<std::string>& argv, const RunOptions& options) {
    RunResult result = run(argv, options);
    if (!result.ok()) {
        std::string words = last_line(result.err.empty() ? result.out : result.err);
        throw Error("{}: {}", argv.front(), words.empty() ? status_text(result.status) : words);
    }
    return std::move(result.out);
}

Fd open_as(const Identity& who, const std::filesystem::path& path, int flags, mode_t mode) {
    int pair[2];
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        throw Error("socketpair: {}", errno_text());
    Fd ours(pair[0]), theirs(pair[1]);
    pid_t child = ::fork();
    if (child < 0) throw Error("fork: {}", errno_text());
    char control[CMSG_SPACE(sizeof(int))] = {};
    int failure = 0;
    iovec payload{&failure, sizeof failure};
    msghdr message{};
    message.msg_iov = &payload;
    message.msg_iovlen = 1;
    if (child == 0) {
        if (::getuid() != who.uid || ::getgid() != who.gid || ::geteuid() == 0) become(who);
        // O_NONBLOCK so that a FIFO put there cannot hold the child; harmless for files and
        // directories.
        int fd = ::open(path.c_str(), flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, mode);
        failure = fd < 0 ? errno : 0;
        if (fd >= 0) {
            message.msg_control = control;
            message.msg_controllen = sizeof control;
            cmsghdr* header = CMSG_FIRSTHDR(&message);
            header->cmsg_level = SOL_SOCKET;
            header->cmsg_type = SCM_RIGHTS;
            header->cmsg_len = CMSG_LEN(sizeof(int));
            std::memcpy(CMSG_DATA(header), &fd, sizeof fd);
        }
        ::_exit(::sendmsg(theirs.get(), &message, 0) < 0 ? 1 : 0);
    }
    theirs.reset();
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    ssize_t got;
    while ((got = ::recvmsg(ours.get(), &message, MSG_CMSG_CLOEXEC)) < 0 && errno == EINTR) {
    }
    while (::waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
    }
    if (got <= 0) throw Error("{}: could not be opened as uid {}", path.string(), who.uid);
    if (failure != 0) throw Error("{}: {}", path.string(), errno_text(failure));
    const cmsghdr* header = CMSG_FIRSTHDR(&message);
    if (header == nullptr || header->cmsg_type != SCM_RIGHTS)
        throw Error("{}: no descriptor", path.string());
    int fd = -1;
    std::memcpy(&fd, CMSG_DATA(header), sizeof fd);
    return Fd(fd);
}

}  // namespace holon::os

// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/launch.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <system_error>

namespace holon::guest {
namespace {

[[noreturn]] void fail(const char* what) {
    throw std::system_error(errno, std::generic_category(), what);
}

struct Pipe {
    os::Fd read, write;
};

Pipe make_pipe() {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) < 0) fail("pipe");
    return {os::Fd(ends[0]), os::Fd(ends[1])};
}

void do_not_block(const os::Fd& fd) {
    ::fcntl(fd.get(), F_SETFL, ::fcntl(fd.get(), F_GETFL) | O_NONBLOCK);
}

// Everything below up to exec runs in the child. The agent has one thread, so the child may
// allocate.
class Launching {
  public:
    Launching(const OpenRequest& request, int report) : request_(request), report_(report) {}

    [[noreturn]] void fail_with(int status, const std::string& reason) {
        tell("E" + std::string(1, static_cast<char>(status)) + reason);
        ::_exit(status);
    }

    [[noreturn]] void run(const Cgroup& cgroup, const std::function<void()>& enter, int in, int out,
                          int err) {
        default_signals();
        if (cgroup.valid() && !cgroup.join())
            fail_with(126,
                      "cannot enter the session's cgroup: " + std::string(std::strerror(errno)));
        ::setsid();
        if (request_.pty) ::ioctl(in, TIOCSCTTY, 0);
        if (::dup2(in, 0) < 0 || ::dup2(out, 1) < 0 || ::dup2(err, 2) < 0)
            fail_with(126, "cannot set up standard input and output");
        // Ours all close at exec; those that whoever started us left open do not.
        ::close_range(3, ~0u, CLOSE_RANGE_CLOEXEC);
        enter();
        take_limits();
        ::umask(request_.umask);
        become_user();
        replace_program();
    }

  private:
    void tell(const std::string& text) {
        const auto line = text + "\n";
        [[maybe_unused]] const auto written = ::write(report_, line.data(), line.size());
    }

    static void default_signals() {
        struct sigaction action {};
        action.sa_handler = SIG_DFL;
        for (int number = 1; number < NSIG; ++number) ::sigaction(number, &action, nullptr);
        sigset_t none;
        sigemptyset(&none);
        ::sigprocmask(SIG_SETMASK, &none, nullptr);
    }

    void take_limits() {
        for (const auto& [which, value] : request_.rlimits) {
            auto wanted = value;
            if (::setrlimit(static_cast<__rlimit_resource_t>(which), &wanted) == 0) continue;
            // More than this kernel allows (nofile above fs.nr_open): as much as there is.
            rlimit now{};
            ::getrlimit(static_cast<__rlimit_resource_t>(which), &now);
            wanted.rlim_max = std::min(wanted.rlim_max, now.rlim_max);
            wanted.rlim_cur = std::min(wanted.rlim_cur, wanted.rlim_max);
            ::setrlimit(static_cast<__rlimit_resource_t>(which), &wanted);
        }
    }

    void become_user() {
        const bool root = ::geteuid() == 0;
        if (root && (::setgroups(request_.groups.size(), request_.groups.data()) < 0 ||
                     ::setresgid(request_.gid, request_.gid, request_.gid) < 0))
            fail_with(126, "cannot take the user's groups: " + std::string(std::strerror(errno)));
        // Only the effective uid at first: where the user may not make the working directory, root
        // does.
        if (root && ::seteuid(request_.uid) < 0)
            fail_with(126, "cannot take the user's identity: " + std::string(std::strerror(errno)));
        enter_working_directory(root);
        if (root && ::setresuid(request_.uid, request_.uid, request_.uid) < 0)
            fail_with(126, "cannot take the user's identity: " + std::string(std::strerror(errno)));
        if (request_.uid != 0 && ::setuid(0) == 0) fail_with(126, "cannot give up root's identity");
    }

    void enter_working_directory(bool root) {
        const auto& path = request_.cwd;
        if (::chdir(path.c_str()) == 0) return;
        if (errno == ENOENT) {
            bool made = make_directories(path, false);
            if (!made && root && errno == EACCES && ::seteuid(0) == 0) {
                made = make_directories(path, true);
                const int error = errno;
                if (::seteuid(request_.uid) < 0) fail_with(126, "cannot take the user's identity");
                errno = error;
            }
            if (made && ::chdir(path.c_str()) == 0) {
                tell("N" + path + ": was not there in the VM; made, empty");
                return;
            }
        }
        tell("N" + path + ": " + std::strerror(errno) + " in the VM; going to /tmp");
        if (::chdir("/tmp") < 0 && ::chdir("/") < 0) fail_with(126, "no working directory");
    }

    // mkdir -p; what AS_ROOT makes belongs to the user.
    bool make_directories(const std::string& path, bool as_root) {
        for (std::size_t end = 1; end != std::string::npos;) {
            end = path.find('/', end + 1);
            const auto part = path.substr(0, end);
            if (::mkdir(part.c_str(), as_root ? 0755 : 0777) < 0) {
                struct stat status {};
                const int error = errno;
                if (::stat(part.c_str(), &status) == 0 && S_ISDIR(status.st_mode)) continue;
                errno = error;
                return false;
            }
            if (as_root && ::lchown(part.c_str(), request_.uid, request_.gid) < 0) return false;
        }
        return true;
    }

    // execvpe with the session's PATH, and with a shell's words and statuses when it fails.
    [[noreturn]] void replace_program() {
        const auto& name = request_.argv.front();
        if (name.find('/') != std::string::npos) {
            try_exec(name);
            explain(name, errno);
        }
        std::string path = "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin";
        for (const auto& entry : request_.env)
            if (entry.starts_with("PATH=")) path = entry.substr(5);
        int error = ENOENT;
        for (std::size_t start = 0; start <= path.size() && !name.empty();) {
            const auto end = std::min(path.find(':', start), path.size());
            const auto folder = path.substr(start, end - start);
            try_exec((folder.empty() ? "." : folder) + "/" + name);
            if (errno != ENOENT && errno != ENOTDIR) error = errno;
            start = end + 1;
        }
        if (error == ENOENT) fail_with(127, name + ": command not found");
        explain(name, error);
    }

    [[noreturn]] void explain(const std::string& name, int error) {
        struct stat status {};
        if (error == EACCES && name.find('/') != std::string::npos &&
            ::stat(name.c_str(), &status) == 0 && S_ISDIR(status.st_mode))
            error = EISDIR;
        const bool absent = error == ENOENT || error == ENOTDIR;
        fail_with(absent ? 127 : 126, name + ": " + std::strerror(error));
    }

    void try_exec(const std::string& program) {
        auto argv = request_.argv;
        std::vector<char*> pointers = c_pointers(argv);
        auto env = request_.env;
        ::execve(program.c_str(), pointers.data(), c_pointers(env).data());
        if (errno != ENOEXEC) return;
        // A script without "#!", as execvp(3) does it.
        argv.front() = program;
        argv.insert(argv.begin(), "/bin/sh");
        ::execve("/bin/sh", c_pointers(argv).data(), c_pointers(env).data());
    }

    static std::vector<char*> c_pointers(std::vector<std::string>& strings) {
        std::vector<char*> pointers;
        for (auto& text : strings) pointers.push_back(text.data());
        pointers.push_back(nullptr);
        return pointers;
    }

    const OpenRequest& request_;
    int report_;
};

os::Fd open_pty(const OpenRequest& request, os::Fd& slave) {
    os::Fd master(::open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC));
    if (!master.valid()) fail("/dev/ptmx");
    int unlocked = 0;
    if (::ioctl(master.get(), TIOCSPTLCK, &unlocked) < 0) fail("TIOCSPTLCK");
    slave.reset(::ioctl(master.get(), TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC));
    if (!slave.valid()) fail("TIOCGPTPEER");
    termios settings{};
    if (::tcgetattr(slave.get(), &settings) == 0) {
        settings.c_iflag |= IUTF8;
        ::tcsetattr(slave.get(), TCSANOW, &settings);
    }
    set_window_size(master.get(), *request.pty);
    if (::fchown(slave.get(), request.uid, static_cast<gid_t>(-1)) < 0 && ::geteuid() == 0)
        fail("fchown");
    return master;
}

}  // namespace

void set_window_size(int pty_master, const WindowSize& size) {
    winsize value{};
    value.ws_row = size.rows;
    value.ws_col = size.cols;
    value.ws_xpixel = size.xpixel;
    value.ws_ypixel = size.ypixel;
    ::ioctl(pty_master, TIOCSWINSZ, &value);
}

Child launch(const OpenRequest& request, const Cgroup& cgroup, const std::function<void()>& enter) {
    Child child;
    os::Fd in, out, err;  // the child's ends
    if (request.pty) {
        child.in = open_pty(request, child.pty_slave);
        child.out.reset(::fcntl(child.in.get(), F_DUPFD_CLOEXEC, 3));
        if (!child.out.valid()) fail("dup");
        do_not_block(child.in);
    } else {
        if (request.standard_input) {
            auto pipe = make_pipe();
            in = std::move(pipe.read);
            child.in = std::move(pipe.write);
            do_not_block(child.in);
        } else {
            in.reset(::open("/dev/null", O_RDONLY | O_CLOEXEC));
            if (!in.valid()) fail("/dev/null");
        }
        for (auto [mine, theirs] : {std::pair{&child.out, &out}, std::pair{&child.err, &err}}) {
            auto pipe = make_pipe();
            *mine = std::move(pipe.read);
            *theirs = std::move(pipe.write);
            do_not_block(*mine);
            // Fewer, larger frames; where the limit of the system is lower, the default does.
            ::fcntl(mine->get(), F_SETPIPE_SZ, 256 * 1024);
            // The process must be able to reopen /dev/stdout, as it can on a terminal or a file.
            if (::geteuid() == 0 && ::fchown(theirs->get(), request.uid, request.gid) < 0)
                fail("fchown");
        }
    }
    auto report = make_pipe();
    const int slave = child.pty_slave.get();
    child.pid = ::fork();
    if (child.pid < 0) fail("fork");
    if (child.pid == 0) {
        Launching launching(request, report.write.get());
        try {
            if (request.pty) launching.run(cgroup, enter, slave, slave, slave);
            launching.run(cgroup, enter, in.get(), out.get(), err.get());
        } catch (const std::exception& error) {
            launching.fail_with(126, error.what());
        }
    }
    child.report = std::move(report.read);
    do_not_block(child.report);
    return child;
}

}  // namespace holon::guest

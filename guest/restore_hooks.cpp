// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/restore_hooks.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>
#include <vector>

#include "guest/log.h"

namespace holon::guest {
namespace {

bool has_hooks_name(const std::string& name) {
    return !name.empty() && std::all_of(name.begin(), name.end(), [](unsigned char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '_' || c == '-';
    });
}

std::vector<std::string> programs_in(const std::string& folder) {
    std::vector<std::string> names;
    std::error_code error;  // no such folder: no hooks
    for (auto entry = std::filesystem::directory_iterator(folder, error);
         !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
        const std::string name = entry->path().filename();
        struct stat facts {};
        if (has_hooks_name(name) && ::stat(entry->path().c_str(), &facts) == 0 &&
            S_ISREG(facts.st_mode) && (facts.st_mode & 0111) != 0)
            names.push_back(name);
    }
    std::sort(names.begin(), names.end());
    return names;
}

// Keeps itself alive by the handlers that it leaves with loop and reaper, until the last program
// has ended.
class Sequence : public std::enable_shared_from_this<Sequence> {
  public:
    Sequence(Loop& loop, Reaper& reaper, RestoreHooks hooks, std::function<void()> done)
        : loop_(loop),
          reaper_(reaper),
          hooks_(std::move(hooks)),
          done_(std::move(done)),
          names_(programs_in(hooks_.folder)),
          environment_{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                       "HOME=/root", "HOLON_RESTORED_FROM=" + hooks_.from,
                       "HOLON_JOB=" + hooks_.job} {}

    void run_next() {
        if (next_ == names_.size()) return done_();
        const std::string name = names_[next_++];
        const auto left =
            std::chrono::duration_cast<std::chrono::milliseconds>(deadline_ - Loop::Clock::now());
        if (left.count() <= 0) {
            log("restore.d/" + name + ": not run: those before it took all the time");
            return run_next();
        }
        const pid_t pid = start(hooks_.folder + "/" + name);
        if (pid < 0) {
            log("restore.d/" + name + ": cannot be started: " + std::strerror(errno));
            return run_next();
        }
        late_ = false;
        patience_ = loop_.after(left, [self = shared_from_this(), pid] {
            self->late_ = true;
            ::kill(-pid, SIGKILL);
        });
        reaper_.expect(
            pid, [self = shared_from_this(), name](int status) { self->ended(name, status); });
    }

  private:
    pid_t start(const std::string& path) {
        // Made before the fork: nothing is allocated in the child.
        std::vector<char*> environment;
        for (std::string& each : environment_) environment.push_back(each.data());
        environment.push_back(nullptr);
        const pid_t pid = ::fork();
        if (pid != 0) {
            if (pid > 0) ::setpgid(pid, pid);  // here as well: it may be killed before it runs
            return pid;
        }
        ::setpgid(0, 0);
        sigset_t none;
        sigemptyset(&none);
        ::sigprocmask(SIG_SETMASK, &none, nullptr);
        ::signal(SIGPIPE, SIG_DFL);
        const int nothing = ::open("/dev/null", O_RDONLY);
        if (nothing >= 0) ::dup2(nothing, STDIN_FILENO);
        char* const argv[] = {const_cast<char*>(path.c_str()), nullptr};
        ::execve(path.c_str(), argv, environment.data());
        ::_exit(127);
    }

    void ended(const std::string& name, int status) {
        patience_.reset();
        if (late_)
            log("restore.d/" + name + ": killed: all together took " +
                std::to_string(hooks_.limit.count()) + " ms");
        else if (WIFSIGNALED(status))
            log("restore.d/" + name + ": killed by signal " + std::to_string(WTERMSIG(status)));
        else if (WEXITSTATUS(status) != 0)
            log("restore.d/" + name + ": ended with status " + std::to_string(WEXITSTATUS(status)));
        run_next();
    }

    Loop& loop_;
    Reaper& reaper_;
    const RestoreHooks hooks_;
    const std::function<void()> done_;
    const std::vector<std::string> names_;
    std::vector<std::string> environment_;
    const Loop::Clock::time_point deadline_ = Loop::Clock::now() + hooks_.limit;
    std::size_t next_ = 0;
    Timer patience_;
    bool late_ = false;
};

}  // namespace

void run_restore_hooks(Loop& loop, Reaper& reaper, RestoreHooks hooks, std::function<void()> done) {
    std::make_shared<Sequence>(loop, reaper, std::move(hooks), std::move(done))->run_next();
}

}  // namespace holon::guest

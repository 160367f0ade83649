// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/smp.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>
#include <vector>

#include "guest/files.h"
#include "guest/log.h"
#include "guest/modules.h"

namespace holon::guest {
namespace {

constexpr const char* packed = "/holon/smp";     // in the initramfs
constexpr const char* place = "/run/holon/smp";  // bundled programs have it built in
constexpr const char* key_file = "/run/holon/smp.key";
constexpr auto pause = std::chrono::seconds(1);

}  // namespace

void EngineFiles::keep() {
    if (!exists(packed)) return;
    load_modules("/holon/modules.smp");
    tree_.reset(static_cast<int>(
        ::syscall(SYS_open_tree, AT_FDCWD, packed, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC)));
    if (!tree_.valid()) throw std::system_error(errno, std::generic_category(), packed);
}

void EngineFiles::put() {
    if (!tree_.valid()) return;
    make_folders(place);
    if (::syscall(SYS_move_mount, tree_.get(), "", AT_FDCWD, place, MOVE_MOUNT_F_EMPTY_PATH) != 0)
        throw std::system_error(errno, std::generic_category(), place);
    tree_.reset();
    // `ssi nodes`, `ssi ps`, `ssi top`, where the image has no such command of its own.
    [[maybe_unused]] const int made =
        ::symlink((std::string(place) + "/bin/ssi").c_str(), "/usr/bin/ssi");
}

std::vector<std::string> ssid_arguments(const SmpConfig& config, int ready_fd) {
    std::vector<std::string> words{
        "--listen", config.address, "--name",    config.name,
        "--key",    key_file,       "--runtime", std::string(place) + "/lib/ssi-runtime"};
    if (!config.is_home()) words.insert(words.end(), {"--join", config.home});
    if (!config.encrypted) words.emplace_back("--plain");
    if (ready_fd >= 0)
        words.insert(words.end(), {"--ready-fd", std::to_string(ready_fd), "--nodes",
                                   std::to_string(config.is_home() ? config.nodes : 1)});
    return words;
}

void Ssid::start(SmpConfig config, std::function<void(std::string)> done) {
    config_ = std::move(config);
    done_ = std::move(done);
    if (!exists(place))
        return std::exchange(done_, nullptr)("the engine of the virtual SMP did not come along");
    if (!cgroup_root_.empty()) group_ = Cgroup(cgroup_root_ + "/smp");
    write_file(key_file, config_.key, 0600);
    launch();
}

void Ssid::launch() {
    std::array<int, 2> ends{-1, -1};
    if (!ready_) {
        if (::pipe2(ends.data(), O_CLOEXEC) != 0)
            throw std::system_error(errno, std::generic_category(), "pipe");
        ready_pipe_.reset(ends[0]);
    }
    const os::Fd told(ends[1]);
    constexpr int ready_fd = 3;
    const std::string program = std::string(place) + "/bin/ssid";
    const pid_t pid = ::fork();
    if (pid < 0) throw std::system_error(errno, std::generic_category(), "ssid: fork");
    if (pid == 0) {
        sigset_t none;
        sigemptyset(&none);
        ::sigprocmask(SIG_SETMASK, &none, nullptr);
        ::signal(SIGPIPE, SIG_DFL);
        if (group_.valid()) group_.join();
        ::setsid();
        if (told.valid() && told.get() != ready_fd) ::dup2(told.get(), ready_fd);
        if (told.get() == ready_fd) ::fcntl(ready_fd, F_SETFD, 0);
        auto words = ssid_arguments(config_, told.valid() ? ready_fd : -1);
        words.insert(words.begin(), program);
        std::vector<char*> pointers;
        for (auto& word : words) pointers.push_back(word.data());
        pointers.push_back(nullptr);
        ::execv(program.c_str(), pointers.data());
        ::_exit(127);
    }
    reaper_.expect(pid, [this](int status) { ended(status); });
    if (!told.valid()) return;
    watch_ = loop_.watch(ready_pipe_.get(), EPOLLIN, [this](std::uint32_t) {
        char byte = 0;
        ready_ = ::read(ready_pipe_.get(), &byte, 1) == 1;
        watch_.reset();
        // Where it only closed the pipe it ends, and ended() says so.
        if (ready_) std::exchange(done_, nullptr)({});
    });
}

void Ssid::ended(int status) {
    watch_.reset();
    const auto how = WIFSIGNALED(status)
                         ? "was ended by signal " + std::to_string(WTERMSIG(status))
                         : "ended with status " + std::to_string(WEXITSTATUS(status));
    log("ssid " + how);
    if (!ready_) {
        if (done_)
            std::exchange(done_, nullptr)("the engine's daemon (ssid) " + how +
                                          "; its own words are on the VM's console");
        return;
    }
    start_again();
}

void Ssid::start_again() {
    again_ = loop_.after(pause, [this] {
        try {
            launch();
        } catch (const std::exception& error) {
            log(std::string("ssid cannot be started again yet: ") + error.what());
            start_again();
        }
    });
}

}  // namespace holon::guest

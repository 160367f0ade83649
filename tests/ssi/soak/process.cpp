// SPDX-License-Identifier: GPL-2.0-or-later
//
// Other processes: made while the other threads go on.
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>

#include "soak.h"

extern char** environ;

namespace soak {
namespace {

/// Pieces that nobody changes meanwhile: those of the forking thread.
std::uint64_t look_at_mine(Phase& phase) {
    Sum sum;
    phase.each_of_mine([&](Piece& piece) { piece.look(sum); });
    return sum.value();
}

[[noreturn]] void be_child(Phase& phase, int out) {
    Sum sum;
    sum.fold(look_at_mine(phase));
    // The child's memory is its own, and it may have threads.
    const auto change = [&](int) {
        phase.each_of_mine([&](Piece& piece) { piece.work(phase.own, sum, 4); });
    };
    if (phase.own.once_in(3))
        run_threads(1, change);
    else
        change(0);
    sum.fold(look_at_mine(phase));
    if (phase.own.once_in(4)) {
        const pid_t grandchild = fork();
        MUST(grandchild >= 0);
        if (grandchild == 0) _exit(int(look_at_mine(phase) & 31));
        int status = 0;
        MUST(wait_on(grandchild, &status) == grandchild);
        sum.fold(std::uint64_t(status));
    }
    const std::uint64_t value = sum.value();
    MUST(write(out, &value, sizeof value) == ssize_t(sizeof value));
    if (phase.own.once_in(5)) raise(SIGKILL);
    _exit(int(value & 63));
}

}  // namespace

ssize_t read_on(int file, void* to, std::size_t size) {
    ssize_t n;
    while ((n = read(file, to, size)) < 0 && errno == EINTR) {
    }
    return n;
}

pid_t wait_on(pid_t pid, int* status) {
    pid_t got;
    while ((got = waitpid(pid, status, 0)) < 0 && errno == EINTR) {
    }
    return got;
}

void fork_phase(Phase& phase) {
    const bool forks = phase.thread == phase.common.below(phase.threads) || phase.own.once_in(4);
    if (!forks) {
        phase.each_of_mine([&](Piece& piece) {
            piece.work(phase.own, phase.sum, 4 + unsigned(phase.own.below(8)));
        });
        return;
    }
    const std::uint64_t before = look_at_mine(phase);
    int ends[2];
    MUST(pipe2(ends, O_CLOEXEC) == 0);
    Random children = phase.own;
    phase.own.next();
    const pid_t pid = fork();
    MUST(pid >= 0);
    if (pid == 0) {
        phase.own = children;
        be_child(phase, ends[1]);
    }
    close(ends[1]);
    phase.each_of_mine([&](Piece& piece) { piece.work(phase.own, phase.sum, 3); });
    std::uint64_t value = 0;
    MUST(read_on(ends[0], &value, sizeof value) == ssize_t(sizeof value));
    close(ends[0]);
    int status = 0;
    MUST(wait_on(pid, &status) == pid);
    phase.sum.fold(before);
    phase.sum.fold(value);
    phase.sum.fold(std::uint64_t(status));
}

void spawn_phase(Phase& phase) {
    char said[40], heard[64];
    const int length =
        std::snprintf(said, sizeof said, "%llx", static_cast<unsigned long long>(phase.own.next()));
    char self[] = "/proc/self/exe", option[] = "--child";
    char* const arguments[] = {self, option, said, nullptr};
    int ends[2];
    MUST(pipe2(ends, O_CLOEXEC) == 0);
    posix_spawn_file_actions_t actions;
    MUST(posix_spawn_file_actions_init(&actions) == 0);
    MUST(posix_spawn_file_actions_adddup2(&actions, ends[1], 1) == 0);
    pid_t pid = 0;
    if (phase.own.once_in(3)) {
        pid = vfork();
        MUST(pid >= 0);
        if (pid == 0) {
            dup2(ends[1], 1);
            execv(self, arguments);
            _exit(99);
        }
    } else {
        MUST(posix_spawn(&pid, self, &actions, nullptr, arguments, environ) == 0);
    }
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    phase.each_of_mine([&](Piece& piece) { piece.work(phase.own, phase.sum, 3); });
    std::size_t size = 0;
    for (ssize_t n; (n = read_on(ends[0], heard + size, sizeof heard - size)) > 0;)
        size += std::size_t(n);
    close(ends[0]);
    int status = 0;
    MUST(wait_on(pid, &status) == pid);
    if (size != std::size_t(length) || std::memcmp(said, heard, size) != 0) {
        std::fprintf(stderr, "said %s, heard %zu bytes: %.*s; status %#x\n", said, size, int(size),
                     heard, unsigned(status));
        _exit(1);
    }
    phase.sum.fold(std::uint64_t(status));
}

}  // namespace soak

// SPDX-License-Identifier: GPL-2.0-or-later
// What system calls cost.
//
// calls plain ROUNDS     of a program without threads
// calls thread ROUNDS    of a thread, which is on the other node
#include <fcntl.h>

#include "figures.h"

namespace {

std::vector<std::int64_t> one_by_one(long rounds, long number) {
    std::vector<std::int64_t> times;
    for (long i = -100; i < rounds; ++i) {
        const std::int64_t begin = now();
        syscall(number);
        if (i >= 0) times.push_back(now() - begin);
    }
    return times;
}

/// Too short for a clock: nanoseconds each, of batches.
template <typename Call>
std::vector<std::int64_t> in_batches(long rounds, const Call& call) {
    constexpr long batch = 500;
    std::vector<std::int64_t> times;
    for (long i = 0; i < rounds; ++i) {
        const std::int64_t begin = now();
        for (long j = 0; j < batch; ++j) call();
        times.push_back((now() - begin) / batch);
    }
    return times;
}

void in_thread(long rounds) {
    run_threads(1, [&](int) {
        std::printf("cpu %d\n", sched_getcpu());
        print_times("getppid", one_by_one(rounds, SYS_getppid));
        print_times("gettid", in_batches(20, [] { syscall(SYS_gettid); }));
        print_times("getpid", in_batches(20, [] { syscall(SYS_getpid); }));
    });
}

void plain(long rounds) {
    const int zero = open("/dev/zero", O_RDONLY);
    MUST(zero >= 0);
    print_times("getppid", in_batches(rounds, [] { syscall(SYS_getppid); }));
    print_times("read", in_batches(rounds, [&] {
                    char byte;
                    MUST(read(zero, &byte, 1) == 1);
                }));
    print_times("openat+close", in_batches(rounds, [] { close(open("/dev/null", O_RDONLY)); }));
}

}  // namespace

int main(int argc, char** argv) {
    MUST(argc == 3);
    const long rounds = std::strtol(argv[2], nullptr, 10);
    std::strcmp(argv[1], "plain") == 0 ? plain(rounds) : in_thread(rounds);
}

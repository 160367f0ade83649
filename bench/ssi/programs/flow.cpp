// SPDX-License-Identifier: GPL-2.0-or-later
// Bytes through descriptors that are at home, read by a thread on the other node, as they come from
// the main thread.
//
// flow pipe|socket MBYTES [KBYTES]    KBYTES: of each read and write (1024)
#include <fcntl.h>
#include <sys/socket.h>

#include "figures.h"

int main(int argc, char** argv) {
    MUST(argc >= 3);
    const bool by_pipe = std::strcmp(argv[1], "pipe") == 0;
    const auto amount = std::size_t(std::strtol(argv[2], nullptr, 10)) << 20;
    const auto piece = std::size_t(number_argument(argc, argv, 3, 1024)) << 10;
    int ends[2];
    if (by_pipe) {
        MUST(pipe(ends) == 0);
        fcntl(ends[0], F_SETPIPE_SZ, 1 << 20);
    } else {
        MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
        const int size = 4 << 20;
        setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    }
    const auto work = [&](int) {
        std::printf("cpu %d\n", sched_getcpu());
        // Not from the main thread's stack each time: that page is the writer's.
        const int from = ends[0];
        const std::size_t size = piece;
        const bool is_pipe = by_pipe;
        std::vector<char> mine(size);
        std::int64_t begin = 0;
        std::size_t got = 0;
        for (;;) {
            const ssize_t n = read(from, mine.data(), size);
            MUST(n >= 0);
            if (n == 0) break;
            if (begin == 0)
                begin = now();  // what came first warmed up
            else
                got += std::size_t(n);
        }
        std::printf("%s %.3f GB/s\n", is_pipe ? "pipe" : "socket",
                    double(got) / double(now() - begin));
    };
    Thread<std::function<void(int)>> other;
    const std::function<void(int)> body = work;
    other.start(body, 0);
    const std::vector<char> data(piece, 'x');
    for (std::size_t left = amount; left != 0;) {
        const ssize_t n = write(ends[1], data.data(), std::min(left, piece));
        MUST(n > 0);
        left -= std::size_t(n);
    }
    close(ends[1]);
    other.join();
}

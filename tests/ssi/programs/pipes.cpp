// SPDX-License-Identifier: GPL-2.0-or-later
// A megabyte through a pipe between threads, in pieces of every size; end of file; EPIPE.
#include <signal.h>
#include <sys/uio.h>

#include "program.h"

int main(int argc, char** argv) {
    const long total = number_argument(argc, argv, 1, 1 << 20);
    int ends[2];
    MUST(pipe(ends) == 0);
    unsigned long sums[2] = {};
    run_threads(2, [&](int me) {
        static unsigned char buffers[2][70'000];
        unsigned char* buffer = buffers[me];
        long done = 0, size = 1;
        while (done < total) {
            if (me == 0) {
                const long length = size < total - done ? size : total - done;
                for (long i = 0; i < length; ++i)
                    buffer[i] = static_cast<unsigned char>((done + i) * 31 >> 3);
                const iovec pieces[2] = {{buffer, std::size_t(length / 2)},
                                         {buffer + length / 2, std::size_t(length - length / 2)}};
                const long written = writev(ends[1], pieces, 2);
                MUST(written > 0);
                for (long i = 0; i < written; ++i) sums[0] = sums[0] * 33 + buffer[i];
                done += written;
            } else {
                const long got = read(ends[0], buffer, std::size_t(size));
                MUST(got > 0);
                for (long i = 0; i < got; ++i) sums[1] = sums[1] * 33 + buffer[i];
                done += got;
            }
            size = size * 3 % 65'537 + 1;
        }
        if (me == 0) close(ends[1]);
        if (me == 1) MUST(read(ends[0], buffer, 10) == 0);
    });
    std::printf("%s\n", sums[0] == sums[1] ? "the same" : "DIFFERENT");
    signal(SIGPIPE, SIG_IGN);
    int broken[2];
    MUST(pipe(broken) == 0);
    close(broken[0]);
    run_threads(1, [&](int) {
        std::printf("write: %s\n",
                    write(broken[1], "x", 1) == -1 ? std::strerror(errno) : "written");
        std::printf("no such descriptor: %s\n",
                    write(broken[1] + 50, nowhere(), 1) == -1 ? std::strerror(errno) : "written");
    });
    return sums[0] == sums[1] ? 0 : 1;
}

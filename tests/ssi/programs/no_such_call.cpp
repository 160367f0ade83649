// SPDX-License-Identifier: GPL-2.0-or-later
// Calls that do not exist fail with ENOSYS, arguments that cannot be with their errors.
#include "program.h"

static void show(const char* name, long result) {
    std::printf("%s: %s\n", name, result == -1 ? std::strerror(errno) : "done");
}

int main() {
    run_threads(2, [](int me) {
        if (me == 0) return;
        show("337", syscall(337, 1, 2, 3));
        show("423", syscall(423));
        show("9999", syscall(9999));
        show("read from nowhere", read(-1, nowhere(), 1));
        show("write of nothing there", write(1, nowhere(), 5));
        show("open of nothing there", syscall(SYS_open, nowhere(), 0));
        show("clock 99", syscall(SYS_clock_gettime, 99, nullptr));
        show("mprotect of nothing", syscall(SYS_mprotect, 0x1234, 4096, 0));
        show("munmap unaligned", syscall(SYS_munmap, 0x1234, 4096));
        show("kill nobody", syscall(SYS_kill, 0x3ffffff, 0));
        show("tgkill nobody", syscall(SYS_tgkill, getpid(), 0x3ffffff, 0));
        show("futex unaligned", syscall(SYS_futex, 0x1001, 0, 0, nullptr));
        show("futex of nothing there", syscall(SYS_futex, 0x1000, 0, 0, nullptr));
    });
}

// SPDX-License-Identifier: GPL-2.0-or-later
// The whole user space of the guests in hypervisor_test.sh: says that it is up, then does what the
// console tells: "eat N" touches N MiB, "off" powers off.
#include <sys/mman.h>
#include <sys/reboot.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>

int main() {
    std::setvbuf(stdin, nullptr, _IONBF, 0);
    std::puts("guest is up");
    std::fflush(stdout);
    char line[128];
    while (std::fgets(line, sizeof line, stdin)) {
        std::size_t mb = 0;
        if (std::sscanf(line, "eat %zu", &mb) == 1) {
            void* memory =
                mmap(nullptr, mb << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            if (memory != MAP_FAILED) std::memset(memory, 1, mb << 20);
            std::printf("ate %zu\n", mb);
            std::fflush(stdout);
        } else if (std::strncmp(line, "off", 3) == 0) {
            reboot(RB_POWER_OFF);
        }
    }
    for (;;) pause();
}

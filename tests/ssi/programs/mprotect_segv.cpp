// SPDX-License-Identifier: GPL-2.0-or-later
// A SIGSEGV handler gets the address and the code, allows the access, and the store is made.
#include <signal.h>
#include <sys/mman.h>

#include "program.h"

static unsigned char* area;
static constexpr std::size_t page = 4096, pages = 16;
static int faults_taken, codes_wrong;

static void handler(int, siginfo_t* info, void*) {
    auto* at = static_cast<unsigned char*>(info->si_addr);
    if (at < area || at >= area + pages * page) _exit(4);
    if (info->si_code != SEGV_ACCERR) add(codes_wrong, 1);
    add(faults_taken, 1);
    const auto offset = std::size_t(at - area) / page * page;
    if (mprotect(area + offset, page, PROT_READ | PROT_WRITE) != 0) _exit(5);
}

int main() {
    struct sigaction action = {};
    action.sa_sigaction = handler;
    action.sa_flags = SA_SIGINFO;
    MUST(sigaction(SIGSEGV, &action, nullptr) == 0);
    area = static_cast<unsigned char*>(
        mmap(nullptr, pages * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    MUST(area != MAP_FAILED);
    for (std::size_t i = 0; i < pages; ++i) area[i * page] = 1;
    for (int round = 0; round < 5; ++round) {
        MUST(mprotect(area, pages * page, round % 2 == 0 ? PROT_READ : PROT_NONE) == 0);
        run_threads(2, [&](int me) {
            for (std::size_t i = std::size_t(me); i < pages; i += 2)
                area[i * page] = static_cast<unsigned char>(area[i * page] + 1);
        });
    }
    int sum = 0;
    for (std::size_t i = 0; i < pages; ++i) sum += area[i * page];
    std::printf("faults %d, codes wrong %d, sum %d\n", faults_taken, codes_wrong, sum);
}

// SPDX-License-Identifier: GPL-2.0-or-later
// Memory that was locked before there were threads, and all that is mapped later: threads use it as
// any other, and it can be unlocked and given back. Locking more while there are threads succeeds,
// or is refused as for a user without that right, or whose limit is used up.
#include <sys/mman.h>

#include "program.h"

namespace {

constexpr std::size_t page = 4096, length = 16 * page;

unsigned char* map() {
    void* got = mmap(nullptr, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    MUST(got != MAP_FAILED);
    return static_cast<unsigned char*>(got);
}

bool locked_or_refused(int result) { return result == 0 || errno == EPERM || errno == ENOMEM; }

/// Each thread adds to every page in its turn.
long use(unsigned char* area) {
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    run_threads(3, [&](int me) {
        for (int round = 0; round < 5; ++round) {
            pthread_mutex_lock(&mutex);
            for (std::size_t i = 0; i < length; i += page)
                area[i] = static_cast<unsigned char>(area[i] + me + 1);
            pthread_mutex_unlock(&mutex);
        }
    });
    long sum = 0;
    for (std::size_t i = 0; i < length; i += page) sum += area[i];
    return sum;
}

}  // namespace

int main() {
    unsigned char* first = map();
    MUST(mlock(first, length) == 0);
    std::printf("locked: %ld\n", use(first));
    MUST(munlock(first, length) == 0);
    std::printf("unlocked: %ld\n", use(first));

    run_threads(3, [](int) {
        unsigned char* area = map();
        MUST(locked_or_refused(mlock(area, length)));
        MUST(locked_or_refused(mlock2(area, length, MLOCK_ONFAULT)));
        area[0] = 1;
        MUST(munlock(area, length) == 0);
        MUST(munmap(area, length) == 0);
    });
    MUST(locked_or_refused(mlockall(MCL_CURRENT)));
    unsigned char* second = map();
    std::printf("mapped later: %ld\n", use(second));
    MUST(munlockall() == 0);
    MUST(munmap(first, length) == 0 && munmap(second, length) == 0);
}

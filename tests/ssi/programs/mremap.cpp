// SPDX-License-Identifier: GPL-2.0-or-later
// Mappings grown, moved and shrunk by one thread; contents, and what is left behind, seen by
// others.
#include <sys/mman.h>

#include "faults.h"

int main() {
    faults::catch_them();
    constexpr std::size_t page = 4096, small = 16 * page, big = 64 * page;
    unsigned char *old_area = nullptr, *area = nullptr;
    long wrong = 0;
    const auto check = [&](std::size_t from, std::size_t to) {
        for (std::size_t i = from; i < to; i += page)
            if (area[i] != static_cast<unsigned char>(i / page * 3)) add(wrong, 1L);
    };
    pthread_barrier_t barrier;
    pthread_barrier_init(&barrier, nullptr, 2);
    run_threads(2, [&](int me) {
        if (me == 0) {
            area = static_cast<unsigned char*>(
                mmap(nullptr, small, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
            MUST(area != MAP_FAILED);
        }
        pthread_barrier_wait(&barrier);
        for (std::size_t i = std::size_t(me) * page; i < small; i += 2 * page)
            area[i] = static_cast<unsigned char>(i / page * 3);
        pthread_barrier_wait(&barrier);
        if (me == 1) {  // to a place of our choice
            void* place = mmap(nullptr, big, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            MUST(place != MAP_FAILED);
            old_area = area;
            void* moved = mremap(area, small, big, MREMAP_MAYMOVE | MREMAP_FIXED, place);
            MUST(moved == place);
            area = static_cast<unsigned char*>(moved);
        }
        pthread_barrier_wait(&barrier);
        check(0, small);
        if (area[big - 1] != 0) add(wrong, 1L);
        if (std::strcmp(faults::touch(old_area + page, true), "not mapped") != 0) add(wrong, 1L);
        pthread_barrier_wait(&barrier);
        if (me == 0) MUST(mremap(area, big, small / 2, 0) == area);
        pthread_barrier_wait(&barrier);
        check(0, small / 2);
        if (std::strcmp(faults::touch(area + small, false), "not mapped") != 0) add(wrong, 1L);
    });
    std::printf("not mapped at all: %s\n",
                mremap(old_area, page, 2 * page, 0) == MAP_FAILED ? std::strerror(errno) : "done");
    std::printf("wrong %ld\n", wrong);
    return wrong == 0 ? 0 : 1;
}

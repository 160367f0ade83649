// SPDX-License-Identifier: GPL-2.0-or-later
// Private mappings of a file: read by all threads, written by each without touching the file.
#include <fcntl.h>
#include <sys/mman.h>

#include "faults.h"

int main() {
    faults::catch_them();
    char name[] = "/tmp/ssi-map-file-XXXXXX";
    const int file = mkstemp(name);
    MUST(file >= 0);
    unlink(name);
    constexpr int pages = 8, page = 4096;
    static char block[page];
    for (int i = 0; i < pages; ++i) {
        std::memset(block, 'A' + i, page);
        MUST(write(file, block, page) == page);
    }
    auto* area = static_cast<unsigned char*>(
        mmap(nullptr, (pages + 2) * page, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0));
    MUST(area != MAP_FAILED);
    long wrong = 0;
    pthread_barrier_t barrier;
    pthread_barrier_init(&barrier, nullptr, 3);
    run_threads(3, [&](int me) {
        for (int i = 0; i < pages; ++i)
            if (area[i * page + me] != 'A' + i) add(wrong, 1L);
        pthread_barrier_wait(&barrier);
        area[me * page] = static_cast<unsigned char>('0' + me);
        pthread_barrier_wait(&barrier);
        for (int i = 0; i < 3; ++i)
            if (area[i * page] != '0' + i || area[i * page + 1] != 'A' + i) add(wrong, 1L);
    });
    char byte;
    for (int i = 0; i < 3; ++i) {
        MUST(pread(file, &byte, 1, i * page) == 1);
        std::printf("%c", byte);
    }
    run_threads(1, [&](int) {  // beyond the end of the file
        std::printf(" beyond: %s", faults::touch(area + (pages + 1) * page, false));
        std::printf(", written: %s", faults::touch(area + pages * page, true));
    });
    run_threads(2, [&](int me) {  // reserved first
        auto* later = static_cast<unsigned char*>(
            mmap(nullptr, (pages + 1) * page, PROT_NONE, MAP_PRIVATE, file, 0));
        MUST(later != MAP_FAILED);
        MUST(mprotect(later, (pages + 1) * page, PROT_READ | PROT_WRITE) == 0);
        later[page] = static_cast<unsigned char>('a' + me);
        if (later[page] != 'a' + me || later[2 * page] != 'C') add(wrong, 1L);
        MUST(munmap(later, (pages + 1) * page) == 0);
    });
    std::printf(" wrong %ld\n", wrong);
    return wrong == 0 ? 0 : 1;
}

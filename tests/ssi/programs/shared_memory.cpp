// SPDX-License-Identifier: GPL-2.0-or-later
// Memory that other processes share: threads on any node find in it what is there, under every
// address it has, and calls read and write it; what lies beside it is unharmed.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "program.h"

namespace {

constexpr long page = 4096;

char* map(char* at, long size, int flags, int file) {
    void* got = mmap(at, static_cast<size_t>(size), PROT_READ | PROT_WRITE,
                     flags | (at != nullptr ? MAP_FIXED : 0), file, 0);
    MUST(got != MAP_FAILED);
    return static_cast<char*>(got);
}

/// Two addresses of one file: what is written at one is read at the other.
void two_addresses(bool while_away) {
    const int file = memfd_create("two", 0);
    MUST(file >= 0 && ftruncate(file, page) == 0);
    const char* read_only = nullptr;
    char* written = nullptr;
    const auto make = [&] {
        read_only = static_cast<const char*>(mmap(nullptr, page, PROT_READ, MAP_SHARED, file, 0));
        MUST(read_only != MAP_FAILED);
        written = map(nullptr, page, MAP_SHARED, file);
    };
    if (!while_away) make();
    long seen = 0;
    run_threads(4, [&](int) {
        static pthread_mutex_t one = PTHREAD_MUTEX_INITIALIZER;
        pthread_mutex_lock(&one);
        if (while_away && written == nullptr) make();
        auto* number = reinterpret_cast<volatile long*>(written);
        const auto* same = reinterpret_cast<const volatile long*>(read_only);
        for (int i = 0; i < 100; ++i) {
            *number = *number + 1;
            seen += *same;
        }
        pthread_mutex_unlock(&one);
    });
    std::printf("two addresses %d: %ld\n", while_away, seen);
    MUST(munmap(written, page) == 0 && munmap(const_cast<char*>(read_only), page) == 0);
    close(file);
}

/// Private memory, shared memory, private memory: one mprotect over all, one munmap over all.
void between_private() {
    char* whole = map(nullptr, 3 * page, MAP_PRIVATE | MAP_ANONYMOUS, -1);
    map(whole + page, page, MAP_SHARED | MAP_ANONYMOUS, -1);
    std::memset(whole, 1, 3 * page);
    MUST(mprotect(whole, 3 * page, PROT_READ) == 0);
    long sum = 0;
    run_threads(3, [&](int) {
        long mine = 0;
        for (long i = 0; i < 3 * page; i += 64) mine += whole[i];
        add(sum, mine);
    });
    MUST(mprotect(whole, 3 * page, PROT_READ | PROT_WRITE) == 0);
    run_threads(3, [&](int k) { std::memset(whole + k * page, k + 2, page); });
    std::printf("between private: %ld, then %d %d %d\n", sum, whole[0], whole[page],
                whole[2 * page]);
    MUST(munmap(whole, 3 * page) == 0);
}

/// The kernel writes to it and reads from it for a thread.
void calls() {
    char* shared = map(nullptr, page, MAP_SHARED | MAP_ANONYMOUS, -1);
    int ends[2];
    MUST(pipe(ends) == 0);
    long good = 0;
    run_threads(3, [&](int k) {
        char* mine = shared + k * 1024;
        sigset_t before;
        static pthread_mutex_t one = PTHREAD_MUTEX_INITIALIZER;
        pthread_mutex_lock(&one);
        MUST(write(ends[1], "twelve bytes", 12) == 12 && read(ends[0], mine, 12) == 12);
        MUST(std::memcmp(mine, "twelve bytes", 12) == 0);
        MUST(write(ends[1], mine, 12) == 12 && read(ends[0], mine + 12, 12) == 12);
        MUST(pthread_sigmask(SIG_BLOCK, nullptr, reinterpret_cast<sigset_t*>(mine + 128)) == 0);
        MUST(pthread_sigmask(SIG_BLOCK, nullptr, &before) == 0);
        MUST(std::memcmp(mine + 128, &before, 8) == 0);
        auto* time = reinterpret_cast<timespec*>(mine + 512);
        MUST(clock_gettime(CLOCK_MONOTONIC, time) == 0 && (time->tv_sec | time->tv_nsec) != 0);
        pthread_mutex_unlock(&one);
        add(good, 1L);
    });
    std::printf("calls: %ld\n", good);
    close(ends[0]);
    close(ends[1]);
}

/// A child has it, too, and both have threads.
void child() {
    auto* shared = reinterpret_cast<long*>(map(nullptr, page, MAP_SHARED | MAP_ANONYMOUS, -1));
    const pid_t pid = fork();
    MUST(pid >= 0);
    run_threads(3, [&](int) {
        for (int i = 0; i < 1000; ++i) add(*shared, 1L);
    });
    if (pid == 0) _exit(0);
    int status;
    MUST(waitpid(pid, &status, 0) == pid);
    std::printf("child: %ld, %d\n", *shared, status);
}

/// It grows and moves.
void moved() {
    char* shared = map(nullptr, page, MAP_SHARED | MAP_ANONYMOUS, -1);
    shared[1] = 7;
    long sum = 0;
    pthread_barrier_t barrier;
    pthread_barrier_init(&barrier, nullptr, 3);
    run_threads(3, [&](int k) {
        pthread_barrier_wait(&barrier);
        if (k == 1) {
            char* room = map(nullptr, 4 * page, MAP_PRIVATE | MAP_ANONYMOUS, -1);
            void* got = mremap(shared, page, page, MREMAP_MAYMOVE | MREMAP_FIXED, room + page);
            MUST(got == room + page);
            shared = room + page;
        }
        pthread_barrier_wait(&barrier);
        add(sum, static_cast<long>(shared[1]));
    });
    std::printf("moved: %ld\n", sum);
}

}  // namespace

int main() {
    two_addresses(false);
    two_addresses(true);
    between_private();
    calls();
    child();
    moved();
}

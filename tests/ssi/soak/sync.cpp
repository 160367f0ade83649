// SPDX-License-Identifier: GPL-2.0-or-later
//
// Words that several threads change, and threads that come, go and move.
#include <linux/futex.h>
#include <sys/wait.h>

#include "soak.h"

namespace soak {
namespace {

alignas(page) std::uint64_t counters[4][page / 8];
alignas(page) std::uint32_t token;
pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
std::uint64_t queue[8];
unsigned queued, taken, put;
std::uint64_t taken_sum;
int ends[2];

long futex(std::uint32_t* word, int operation, std::uint32_t value) {
    return syscall(SYS_futex, word, operation, value, nullptr, nullptr, 0);
}

}  // namespace

void counting_phase(Phase& phase) {
    const unsigned rounds = 100 + unsigned(phase.common.below(300));
    if (phase.thread == 0) std::memset(counters, 0, sizeof counters);
    phase.meet();
    for (unsigned i = 0; i < rounds; ++i) {
        auto& word = counters[phase.own.below(4)][phase.own.below(8)];
        if (phase.own.once_in(2)) {
            add<std::uint64_t>(word, 1);
        } else {
            pthread_mutex_lock(&mutex);
            counters[3][100] += 1;
            pthread_mutex_unlock(&mutex);
        }
    }
    phase.meet();
    for (const auto& each : counters) phase.sum.fold(each, sizeof each);
}

void ring_phase(Phase& phase) {
    // The token goes round by futex waits and wakes.
    const unsigned rounds = 5 + unsigned(phase.common.below(30));
    if (phase.thread == 0) token = 0;
    phase.meet();
    for (unsigned i = 0; i < rounds; ++i) {
        const std::uint32_t mine = i * phase.threads + phase.thread;
        for (std::uint32_t seen; (seen = get(token)) != mine;)
            futex(&token, FUTEX_WAIT_PRIVATE, seen);
        counters[0][0] = counters[0][0] * 31 + mine;
        set(token, mine + 1);
        futex(&token, FUTEX_WAKE_PRIVATE, 1 << 30);
    }
    phase.meet();
    phase.sum.fold(counters[0][0]);
}

void queue_phase(Phase& phase) {
    // Every thread puts and takes as much: the sum of all that was taken is what was put.
    const unsigned each = 10 + unsigned(phase.common.below(40));
    if (phase.thread == 0) queued = taken = put = 0, taken_sum = 0;
    phase.meet();
    const bool timed = phase.own.once_in(2);
    for (unsigned i = 0; i < each; ++i) {
        const std::uint64_t value = phase.own.next();
        pthread_mutex_lock(&mutex);
        while (queued == 8) pthread_cond_wait(&changed, &mutex);
        queue[queued++] = value;
        pthread_cond_broadcast(&changed);
        while (queued == 0) {
            if (timed) {
                timespec until;
                clock_gettime(CLOCK_REALTIME, &until);
                until.tv_sec += 100;
                MUST(pthread_cond_timedwait(&changed, &mutex, &until) == 0);
            } else {
                pthread_cond_wait(&changed, &mutex);
            }
        }
        taken_sum += queue[--queued];
        pthread_cond_broadcast(&changed);
        pthread_mutex_unlock(&mutex);
    }
    phase.meet();
    phase.sum.fold(taken_sum);
    phase.sum.fold(queued);
}

void pipe_phase(Phase& phase) {
    // One thread writes to another through a pipe, in pieces of random size.
    if (phase.thread == 0) MUST(pipe(ends) == 0);
    phase.meet();
    const std::size_t total = 1 + phase.common.below(300'000);
    const unsigned writer = unsigned(phase.common.below(phase.threads));
    const unsigned reader = (writer + 1) % phase.threads;
    static unsigned char out[70'000], in[70'000];
    if (phase.thread == writer) {
        for (std::size_t done = 0; done < total;) {
            std::size_t size = 1 + phase.own.below(sizeof out);
            if (size > total - done) size = total - done;
            for (std::size_t i = 0; i < size; ++i)
                out[i] = static_cast<unsigned char>((done + i) * 7);
            for (std::size_t sent = 0; sent < size;) {
                const ssize_t n = write(ends[1], out + sent, size - sent);
                if (n < 0 && errno == EINTR) continue;
                MUST(n > 0);
                sent += std::size_t(n);
            }
            done += size;
        }
        close(ends[1]);
    } else if (phase.thread == reader) {
        std::size_t done = 0;
        for (;;) {
            const ssize_t n = read_on(ends[0], in, 1 + phase.own.below(sizeof in));
            MUST(n >= 0);
            if (n == 0) break;
            for (std::size_t i = 0; i < std::size_t(n); ++i)
                MUST(in[i] == static_cast<unsigned char>((done + i) * 7));
            done += std::size_t(n);
        }
        close(ends[0]);
        phase.sum.fold(done);
    } else {
        phase.each_of_mine([&](Piece& piece) { piece.work(phase.own, phase.sum, 4); });
    }
}

void thread_phase(Phase& phase) {
    // Threads of threads; each works on one of its creator's pieces, one after the other.
    struct Work {
        Piece* piece;
        std::uint64_t seed;
        Sum sum;
    };
    auto* const main = +[](void* argument) -> void* {
        auto* work = static_cast<Work*>(argument);
        Random random(work->seed);
        work->piece->work(random, work->sum, 5);
        if (random.once_in(3)) pthread_exit(reinterpret_cast<void*>(work->seed & 0xffff));
        return reinterpret_cast<void*>(work->sum.value() & 0xffff);
    };
    phase.each_of_mine([&](Piece& piece) {
        Work work{&piece, phase.own.next(), {}};
        pthread_attr_t attributes;
        pthread_attr_init(&attributes);
        if (phase.own.once_in(2)) pthread_attr_setstacksize(&attributes, 64 * 1024);
        pthread_t thread;
        MUST(pthread_create(&thread, &attributes, main, &work) == 0);
        pthread_attr_destroy(&attributes);
        void* result = nullptr;
        MUST(pthread_join(thread, &result) == 0);
        phase.sum.fold(reinterpret_cast<std::uint64_t>(result));
        phase.sum.fold(work.sum.value());
    });
}

void moving_phase(Phase& phase) {
    // To one CPU after the other, working in between.
    cpu_set_t before;
    MUST(sched_getaffinity(0, sizeof before, &before) == 0);
    int list[CPU_SETSIZE];
    std::size_t count = 0;
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu)
        if (CPU_ISSET(cpu, &before)) list[count++] = cpu;
    for (int i = 0; i < 3; ++i) {
        const int cpu = list[phase.own.below(count)];
        cpu_set_t one;
        CPU_ZERO(&one);
        CPU_SET(cpu, &one);
        MUST(sched_setaffinity(0, sizeof one, &one) == 0);
        // The kernel moves a thread before the call returns.
        MUST(sched_getcpu() == cpu);
        phase.each_of_mine([&](Piece& piece) { piece.work(phase.own, phase.sum, 3); });
        cpu_set_t now_allowed;
        MUST(sched_getaffinity(0, sizeof now_allowed, &now_allowed) == 0);
        MUST(CPU_EQUAL(&one, &now_allowed));
    }
    MUST(sched_setaffinity(0, sizeof before, &before) == 0);
    phase.each_of_mine([&](Piece& piece) { piece.look(phase.sum); });
}

}  // namespace soak

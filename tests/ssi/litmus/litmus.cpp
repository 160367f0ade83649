// SPDX-License-Identifier: GPL-2.0-or-later
//
// Coherence litmus tests: short sequences of loads and stores by two to four threads, and the
// outcomes that x86-64 (TSO) forbids. An ordinary program with pthreads: it is right on any
// machine, and runs unmodified where memory is kept coherent by software.
//
//   litmus NAME ROUNDS [same-page] [overlap=N]
//       ROUNDS or a few more, and on, to 20 times as many, until N of them have overlapped. Prints
//       how often each outcome was seen; exit status 1 if a forbidden one was
//   litmus --list
//
// Where a page takes 100 µs to come from elsewhere, rounds on common pages would not overlap at
// all: one thread would go through hundreds of them while it has the page. So each round of a batch
// has pages of its own, and nothing is reset: in batch v the value stored is v, and anything less
// is "old". Rounds begin at agreed times, by the clock, for which nothing has to be shared; how
// long a round may take is learnt from the batch before. A barrier ends a batch;
// its waiters spin, so that a kernel has no sleepers to wake on the waker's CPU.
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <iterator>

namespace {

using Word = std::uint64_t;

constexpr int batch_rounds = 256;
constexpr int max_threads = 4;
constexpr std::size_t page = 4096;

void store(Word* at, Word value) {
    asm volatile("movq %1, %0" : "=m"(*at) : "r"(value) : "memory");
}
Word load(const Word* at) {
    Word value;
    asm volatile("movq %1, %0" : "=r"(value) : "m"(*at) : "memory");
    return value;
}
void fence() { asm volatile("mfence" ::: "memory"); }
void locked_store(Word* at, Word value) {
    asm volatile("xchgq %1, %0" : "+m"(*at), "+r"(value) : : "memory");
}
/// What was there before.
Word locked_add(Word* at, Word value) {
    asm volatile("lock xaddq %1, %0" : "+m"(*at), "+r"(value) : : "memory", "cc");
    return value;
}

/// What one thread saw in one round.
struct Seen {
    Word r[2];
    std::int64_t begin, end;
};

/// One round as all threads saw it, and what the variables were after it.
struct Round {
    const Seen* seen[max_threads];
    Word x, y;
    Word v;
    Word before;  ///< in how many rounds these variables were used before
    bool is_new(int thread, int r) const { return seen[thread]->r[r] == v; }
};

/// A test: what each thread does with x and y, what the outcome is (a bit per question), which
/// outcomes are forbidden.
struct Test {
    const char* name;
    int threads;
    void (*run)(int thread, Word* x, Word* y, Word v, Seen& seen);
    unsigned (*outcome)(const Round&);
    const char* questions;  ///< what the bits of the outcome say, the highest first
    bool (*forbidden)(unsigned outcome);
    bool straddles = false;  ///< x lies across the border of two pages
    bool reads_after = false;
};

// Store buffering. Both may read the old value, but for a fence between store and load.
void sb(int thread, Word* x, Word* y, Word v, Seen& seen) {
    store(thread == 0 ? x : y, v);
    seen.r[0] = load(thread == 0 ? y : x);
}
void sb_fence(int thread, Word* x, Word* y, Word v, Seen& seen) {
    store(thread == 0 ? x : y, v);
    fence();
    seen.r[0] = load(thread == 0 ? y : x);
}
void sb_locked(int thread, Word* x, Word* y, Word v, Seen& seen) {
    locked_store(thread == 0 ? x : y, v);
    seen.r[0] = load(thread == 0 ? y : x);
}
unsigned both_reads(const Round& round) { return 2 * round.is_new(0, 0) + round.is_new(1, 0); }

// Message passing: who sees the flag sees the message.
void mp(int thread, Word* x, Word* y, Word v, Seen& seen) {
    if (thread == 0) {
        store(x, v);
        store(y, v);
    } else {
        seen.r[0] = load(y);
        seen.r[1] = load(x);
    }
}
unsigned second_threads_reads(const Round& round) {
    return 2 * round.is_new(1, 0) + round.is_new(1, 1);
}

// Load buffering: a load does not see a store that comes after it.
void lb(int thread, Word* x, Word* y, Word v, Seen& seen) {
    seen.r[0] = load(thread == 0 ? x : y);
    store(thread == 0 ? y : x, v);
}

// Independent reads of independent writes: all see stores in one order.
void iriw(int thread, Word* x, Word* y, Word v, Seen& seen) {
    switch (thread) {
        case 0:
            store(x, v);
            break;
        case 1:
            store(y, v);
            break;
        case 2:
            seen.r[0] = load(x);
            seen.r[1] = load(y);
            break;
        case 3:
            seen.r[0] = load(y);
            seen.r[1] = load(x);
            break;
    }
}
unsigned four_reads(const Round& round) {
    return 8 * round.is_new(2, 0) + 4 * round.is_new(2, 1) + 2 * round.is_new(3, 0) +
           round.is_new(3, 1);
}

// Write-to-read causality: what was seen before a store is seen by who sees the store.
void wrc(int thread, Word* x, Word* y, Word v, Seen& seen) {
    switch (thread) {
        case 0:
            store(x, v);
            break;
        case 1:
            seen.r[0] = load(x);
            store(y, seen.r[0]);
            break;
        case 2:
            seen.r[0] = load(y);
            seen.r[1] = load(x);
            break;
    }
}
unsigned third_threads_reads(const Round& round) {
    return 2 * round.is_new(2, 0) + round.is_new(2, 1);
}

// 2+2W: stores to two variables in opposite order. Values are even (first) and odd (second).
void two_two_w(int thread, Word* x, Word* y, Word v, Seen&) {
    store(thread == 0 ? x : y, 2 * v);
    store(thread == 0 ? y : x, 2 * v + 1);
}
unsigned which_stores_stayed(const Round& round) {
    const bool first_in_x = round.x == 2 * round.v, first_in_y = round.y == 2 * round.v;
    const bool sane = round.x / 2 == round.v && round.y / 2 == round.v;
    return sane ? 2u * first_in_x + first_in_y : 4u;
}

// Coherence of one variable: two reads in order do not see its values out of order.
void corr(int thread, Word* x, Word*, Word v, Seen& seen) {
    if (thread == 0) {
        store(x, v);
    } else {
        seen.r[0] = load(x);
        seen.r[1] = load(x);
    }
}

// Locked additions: none is lost, none is seen twice.
void locked(int, Word* x, Word*, Word, Seen& seen) {
    seen.r[0] = locked_add(x, 1);
    seen.r[1] = locked_add(x, 1);
}
unsigned additions(const Round& round) {
    const Word before = 4 * round.before;
    bool taken[4] = {};
    for (int thread = 0; thread < 2; ++thread)
        for (Word r : round.seen[thread]->r)
            if (r >= before && r < before + 4) taken[r - before] = true;
    const bool each_once = taken[0] && taken[1] && taken[2] && taken[3];
    return 2 * (round.x == before + 4) + each_once;
}

constexpr Test tests[] = {
    {"sb", 2, sb, both_reads, "r0 r1", [](unsigned) { return false; }},
    {"sb_fence", 2, sb_fence, both_reads, "r0 r1", [](unsigned o) { return o == 0; }},
    {"sb_locked", 2, sb_locked, both_reads, "r0 r1", [](unsigned o) { return o == 0; }},
    {"mp", 2, mp, second_threads_reads, "flag message", [](unsigned o) { return o == 2; }},
    {"lb", 2, lb, both_reads, "r0 r1", [](unsigned o) { return o == 3; }},
    {"iriw", 4, iriw, four_reads, "x y | y x", [](unsigned o) { return o == 0b1010; }},
    {"wrc", 3, wrc, third_threads_reads, "y x", [](unsigned o) { return o == 2; }},
    {"2+2w", 2, two_two_w, which_stores_stayed, "first-in-x first-in-y",
     [](unsigned o) { return o >= 3; }, false, true},
    {"corr", 2, corr, second_threads_reads, "first second", [](unsigned o) { return o == 2; }},
    {"locked", 2, locked, additions, "sum-right each-once", [](unsigned o) { return o != 3; },
     false, true},
    {"split", 2, locked, additions, "sum-right each-once", [](unsigned o) { return o != 3; }, true,
     true},
};

const Test* test;
bool same_page;
unsigned char* memory;  ///< the variables: two pages for each round of a batch
long rounds_wanted;
std::uint64_t overlap_wanted;
bool enough;                            ///< written between the barriers
std::int64_t batch_begin, slot = 2000;  ///< ns; written between the barriers
std::int64_t margin = 20'000;           ///< ns from the first thread's barrier to the first round
Seen* seen_by[max_threads];
std::uint64_t counts[16], overlapped, late, rounds_done;

std::int64_t now() {
    timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * std::int64_t{1'000'000'000} + time.tv_nsec;
}

/// All threads come here before any goes on. Each keeps count for itself of how often it has been
/// here.
class Barrier {
  public:
    void wait(Word& turn) {
        ++turn;
        locked_add(&arrived_, 1);
        while (load(&arrived_) < turn * Word(test->threads)) sched_yield();
    }

  private:
    alignas(page) Word arrived_ = 0;
    char rest_of_page_[page - sizeof(Word)] = {};
};
Barrier barrier;

Word* x_of(int round) {
    unsigned char* first = memory + std::size_t(round) * 2 * page;
    return reinterpret_cast<Word*>(test->straddles ? first + page - 4 : first + 64);
}
Word* y_of(int round) {
    unsigned char* first = memory + std::size_t(round) * 2 * page;
    return reinterpret_cast<Word*>(first + (same_page ? 2048 : page + 128));
}

/// The first batches are short: from them is learnt how long a round takes here.
constexpr int learning = 12, short_batch = 16;
int rounds_of(int batch) { return batch < learning ? short_batch : batch_rounds; }

void run_batch(int thread, int batch) {
    Seen* mine = seen_by[thread];
    mine[batch_rounds].begin = now() - batch_begin;  // how late the thread is for the batch
    std::uint32_t random = std::uint32_t(batch * 7919 + thread * 104729 + 1);
    for (int round = 0; round < rounds_of(batch); ++round) {
        const std::int64_t begin = batch_begin + round * slot;
        for (std::int64_t left = begin - now(); left > 0; left = begin - now())
            if (left > 20'000) sched_yield();  // whoever brings the pages may need the core
        random = random * 1664525 + 1013904223;
        for (unsigned spin = random >> 27; spin != 0; --spin) asm volatile("" ::: "memory");
        Seen seen{};
        seen.begin = now();
        test->run(thread, x_of(round), y_of(round), Word(batch) + 1, seen);
        seen.end = now();
        mine[round] = seen;
    }
}

/// By the first thread, while the others wait.
void evaluate(int batch) {
    std::int64_t longest[batch_rounds], latest = 0;
    const std::uint64_t late_before = late;
    for (int thread = 0; thread < test->threads; ++thread)
        latest = std::max(latest, seen_by[thread][batch_rounds].begin);
    margin = latest > 0 ? std::min<std::int64_t>(margin * 2, 20'000'000)
                        : std::max<std::int64_t>(margin * 15 / 16, 2000);
    for (int i = 0; i < rounds_of(batch); ++i) {
        Round round{};
        round.v = Word(batch) + 1;
        round.before = Word(i < short_batch ? batch : batch - learning);
        std::int64_t begin = 0, end = INT64_MAX;
        longest[i] = 0;
        for (int thread = 0; thread < test->threads; ++thread) {
            const Seen& seen = seen_by[thread][i];
            round.seen[thread] = &seen;
            begin = std::max(begin, seen.begin);
            end = std::min(end, seen.end);
            longest[i] = std::max(longest[i], seen.end - seen.begin);
            late += seen.begin > batch_begin + (i + 1) * slot;
        }
        if (test->reads_after) {
            round.x = load(x_of(i));
            round.y = load(y_of(i));
        }
        overlapped += begin < end;
        ++counts[test->outcome(round)];
        ++rounds_done;
    }
    const auto wanted = std::uint64_t(rounds_wanted);
    enough = rounds_done >= wanted && (overlapped >= overlap_wanted || rounds_done >= 20 * wanted);
    // The next batch: rounds as short as leaves few of them late, but not so long that waiting is
    // all that is done where threads are late because they have to share a core.
    const std::uint64_t late_now = late - late_before;
    const bool too_short = late_now * 5 > std::uint64_t(rounds_of(batch) * test->threads);
    std::sort(longest, longest + rounds_of(batch));
    const std::int64_t plenty = longest[rounds_of(batch) * 9 / 10] * 3 + 300;
    slot = std::clamp<std::int64_t>(too_short ? slot * 3 / 2 : slot * 15 / 16, 500,
                                    std::clamp<std::int64_t>(plenty, 500, 5'000'000));
}

void* thread_main(void* argument) {
    const int thread = int(reinterpret_cast<std::intptr_t>(argument));
    Word turn = 0;
    for (int batch = 0;; ++batch) {
        if (thread == 0) batch_begin = now() + margin;
        barrier.wait(turn);
        if (enough) break;
        run_batch(thread, batch);
        barrier.wait(turn);
        if (thread == 0) evaluate(batch);
    }
    return nullptr;
}

int report() {
    int bits = test->threads == 4 ? 4 : 2;
    if (test->reads_after) bits = 3;
    std::uint64_t bad = 0;
    std::printf("%s%s: %" PRIu64 " rounds, outcomes (%s)\n", test->name,
                same_page ? " same-page" : "", rounds_done, test->questions);
    for (unsigned outcome = 0; outcome < 1u << bits; ++outcome) {
        const bool forbidden = test->forbidden(outcome);
        if (counts[outcome] == 0 && !forbidden) continue;
        std::printf("  ");
        for (int bit = bits - 1; bit >= 0; --bit) std::printf("%d", outcome >> bit & 1);
        std::printf(" %10" PRIu64 "%s\n", counts[outcome], forbidden ? " forbidden" : "");
        if (forbidden) bad += counts[outcome];
    }
    std::printf("overlapped %" PRIu64 " (%.1f %%), late %.1f %%\n", overlapped,
                100.0 * double(overlapped) / double(rounds_done),
                100.0 * double(late) / double(rounds_done * std::uint64_t(test->threads)));
    std::printf("%s: %s\n", test->name, bad == 0 ? "ok" : "FORBIDDEN OUTCOMES SEEN");
    return bad == 0 ? 0 : 1;
}

int usage() {
    std::fprintf(stderr, "usage: litmus NAME ROUNDS [same-page] [overlap=N] | litmus --list\n");
    return 2;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc == 2 && std::strcmp(argv[1], "--list") == 0) {
        for (const Test& each : tests) std::printf("%s\n", each.name);
        return 0;
    }
    if (argc < 3 || argc > 5) return usage();
    for (const Test& each : tests)
        if (std::strcmp(each.name, argv[1]) == 0) test = &each;
    const long rounds = std::strtol(argv[2], nullptr, 10);
    if (test == nullptr || rounds < 1 || rounds > 1'000'000'000) return usage();
    for (int i = 3; i < argc; ++i) {
        if (std::strcmp(argv[i], "same-page") == 0)
            same_page = true;
        else if (std::sscanf(argv[i], "overlap=%" SCNu64, &overlap_wanted) != 1)
            return usage();
    }
    rounds_wanted = rounds;

    const std::size_t bytes = std::size_t(batch_rounds) * 2 * page;
    memory = static_cast<unsigned char*>(
        mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    if (memory == MAP_FAILED) return std::perror("mmap"), 2;
    for (int thread = 0; thread < test->threads; ++thread) {
        const std::size_t results = (sizeof(Seen) * (batch_rounds + 1) + page - 1) / page * page;
        seen_by[thread] = static_cast<Seen*>(std::aligned_alloc(page, results));
        if (seen_by[thread] == nullptr) return std::perror("aligned_alloc"), 2;
    }
    pthread_t others[max_threads];
    // The first thread is one that was created, too: the one main() runs in may be tied to its
    // place.
    for (int thread = 0; thread < test->threads; ++thread)
        if (pthread_create(&others[thread], nullptr, thread_main,
                           reinterpret_cast<void*>(std::intptr_t(thread))) != 0)
            return std::fprintf(stderr, "pthread_create failed\n"), 2;
    for (int thread = 0; thread < test->threads; ++thread) pthread_join(others[thread], nullptr);
    return report();
}

// SPDX-License-Identifier: GPL-2.0-or-later
//
// usage: soak SEED [PHASES [FIRST]]
//
// Runs the program of that seed: PHASES phases (16), from FIRST on (0).
#include "soak.h"

#include <sys/wait.h>

namespace soak {
namespace {

constexpr Kind kinds[] = {
    {"memory", memory_phase},  {"memory", memory_phase},       {"reading", reading_phase},
    {"heap", heap_phase},      {"break", break_phase},         {"file", file_phase},
    {"count", counting_phase}, {"ring", ring_phase},           {"queue", queue_phase},
    {"pipe", pipe_phase},      {"thread", thread_phase},       {"move", moving_phase},
    {"fork", fork_phase},      {"spawn", spawn_phase},         {"signal", signal_phase},
    {"mask", mask_phase},      {"interrupt", interrupt_phase}, {"timer", timer_phase},
};
constexpr std::size_t kind_count = sizeof kinds / sizeof *kinds;

Piece all_pieces[pieces];
pthread_barrier_t barrier;
std::uint64_t sums[most_threads];
unsigned threads;
std::uint64_t seed;
unsigned phases = 16, first_phase;

std::uint64_t mixed(std::uint64_t a, std::uint64_t b) {
    Random random(a * 0x9e37'79b9'7f4a'7c15U + b);
    random.next();
    return random.next();
}

void run_phases(int thread) {
    for (unsigned number = first_phase; number < first_phase + phases; ++number) {
        const std::uint64_t its_seed = mixed(seed, number);
        Phase phase{its_seed,
                    number,
                    unsigned(thread),
                    threads,
                    Random(mixed(its_seed, unsigned(thread) + 1)),
                    Random(its_seed),
                    {}};
        const Kind& kind = kinds[phase.common.below(kind_count)];
        kind.run(phase);
        sums[thread] = phase.sum.value();
        phase.meet();
        if (thread == 0) {
            Sum all;
            for (unsigned i = 0; i < threads; ++i) all.fold(sums[i]);
            std::printf("%u %s %016llx\n", number, kind.name,
                        static_cast<unsigned long long>(all.value()));
            std::fflush(stdout);
        }
        phase.meet();
    }
}

}  // namespace

void Sum::fold(const void* data, std::size_t size) {
    const auto* bytes = static_cast<const unsigned char*>(data);
    for (; size >= 8; bytes += 8, size -= 8) {
        std::uint64_t word;
        std::memcpy(&word, bytes, 8);
        fold(word);
    }
    for (; size > 0; ++bytes, --size) fold(*bytes);
}

Piece& Phase::piece(unsigned which) const { return all_pieces[which]; }

void Phase::meet() const { pthread_barrier_wait(&barrier); }

}  // namespace soak

int main(int argc, char** argv) {
    using namespace soak;
    if (argc > 1 && std::strcmp(argv[1], "--child") == 0) {
        // What posix_spawn starts: says what it was told, to its standard output.
        MUST(argc == 3);
        MUST(write(1, argv[2], std::strlen(argv[2])) == ssize_t(std::strlen(argv[2])));
        return int(std::strlen(argv[2]) % 64);
    }
    if (argc < 2) return 2;
    seed = std::strtoull(argv[1], nullptr, 10);
    phases = unsigned(number_argument(argc, argv, 2, 16));
    first_phase = unsigned(number_argument(argc, argv, 3, 0));
    Random random(mixed(seed, ~0ULL));
    threads = 2 + unsigned(random.below(most_threads - 1));
    std::printf("seed %llu, %u threads\n", static_cast<unsigned long long>(seed), threads);
    install_handlers();
    MUST(pthread_barrier_init(&barrier, nullptr, threads) == 0);
    // The first thread is one of them: it has a home and no creator.
    auto* others = new Thread<void (*)(int)>[threads];
    void (*const body)(int) = run_phases;
    for (unsigned i = 1; i < threads; ++i) others[i].start(body, int(i));
    run_phases(0);
    for (unsigned i = 1; i < threads; ++i) others[i].join();
    delete[] others;
    std::printf("done\n");
    return int(seed % 3);
}

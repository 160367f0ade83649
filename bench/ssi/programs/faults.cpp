// SPDX-License-Identifier: GPL-2.0-or-later
// What pages cost that change hands between the main thread and another, which is on the other
// node.
//
// faults single ROUNDS      one page at a time, in no order, long after it last changed hands
// faults ascending MBYTES   one word of each page after the other: reads, writes, first touches
#include <sys/mman.h>

#include "figures.h"

namespace {

constexpr std::size_t page = 4096;
constexpr std::size_t apart = 37 * page;  ///< what is sent ahead of one is not the next

char* memory(std::size_t size) {
    void* got = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    MUST(got != MAP_FAILED);
    return static_cast<char*>(got);
}

/// Each once, neither ascending nor descending.
std::vector<std::size_t> shuffled(std::size_t count) {
    std::vector<std::size_t> order(count);
    std::uint64_t state = 12345;
    for (std::size_t i = 0; i < count; ++i) order[i] = i;
    for (std::size_t i = count; i > 1; --i) {
        state = state * 6364136223846793005U + 1442695040888963407U;
        std::swap(order[i - 1], order[(state >> 33) % i]);
    }
    return order;
}

/// Takes turns with the other thread by a pipe: no page is touched while one waits.
class Turns {
  public:
    Turns() { MUST(pipe(there_) == 0 && pipe(back_) == 0); }
    void give(bool other) { MUST(write((other ? back_ : there_)[1], "", 1) == 1); }
    void wait(bool other) {
        char byte;
        MUST(read((other ? there_ : back_)[0], &byte, 1) == 1);
    }

  private:
    int there_[2], back_[2];
};

using Times = std::vector<std::int64_t>;

template <typename Touch>
Times each(char* base, const std::vector<std::size_t>& order, const Touch& touch) {
    Times times;
    times.reserve(order.size());
    for (const std::size_t number : order) {
        const std::int64_t begin = now();
        touch(reinterpret_cast<volatile long&>(base[number * apart]));
        times.push_back(now() - begin);
    }
    return times;
}

void read_word(volatile long& word) { static_cast<void>(word + 0); }
void write_word(volatile long& word) { word = 1; }

void single(long rounds) {
    const auto count = std::size_t(rounds);
    char* base = memory(count * apart);
    const std::vector<std::size_t> order = shuffled(count);
    for (std::size_t i = 0; i < count; ++i) base[i * apart] = 1;
    Turns turns;
    Thread<std::function<void(int)>> other;
    const std::function<void(int)> work = [&](int) {
        std::printf("cpu %d\n", sched_getcpu());
        print_times("read", each(base, order, read_word));      // home has them
        print_times("upgrade", each(base, order, write_word));  // and shares them
        turns.give(true);
        turns.wait(true);
    };
    other.start(work, 0);
    turns.wait(false);
    print_times("home-read", each(base, order, read_word));      // the other node has them
    print_times("home-upgrade", each(base, order, write_word));  // and shares them
    turns.give(false);
    other.join();
}

void print_rate(const char* name, std::size_t bytes, std::int64_t took) {
    std::printf("%s %.3f GB/s\n", name, double(bytes) / double(took));
}

template <typename Touch>
void pass(const char* name, char* base, std::size_t size, const Touch& touch) {
    const std::int64_t begin = now();
    for (std::size_t at = 0; at < size; at += page)
        touch(reinterpret_cast<volatile long&>(base[at]));
    print_rate(name, size, now() - begin);
}

void ascending(long megabytes) {
    const auto size = std::size_t(megabytes) << 20;
    char *base = memory(size), *fresh = memory(size), *lent = memory(size);
    std::memset(base, 1, size);
    std::memset(lent, 1, size);
    const auto work = [&](int) {
        std::printf("cpu %d\n", sched_getcpu());
        pass("read", base, size, read_word);
        pass("upgrade", base, size, write_word);
        pass("write", lent, size, write_word);
        pass("first-touch", fresh, size, write_word);
    };
    run_threads(1, work);
    pass("home-read", lent, size, read_word);
    pass("home-write", base, size, write_word);
}

}  // namespace

int main(int argc, char** argv) {
    MUST(argc == 3);
    const long amount = std::strtol(argv[2], nullptr, 10);
    std::strcmp(argv[1], "single") == 0 ? single(amount) : ascending(amount);
}

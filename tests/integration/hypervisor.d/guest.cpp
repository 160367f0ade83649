// SPDX-License-Identifier: GPL-2.0-or-later
// The whole user space of the guests in hypervisor_test.sh: says that it is up, then does what the
// console tells:
//   eat N       touches N MiB
//   fill N      fills N MiB with what looks random
//   sum         prints a checksum of them
//   dirty N     from then on a process writes N MiB over and over
//   rounds      prints how often it has, and whether each page was what it had left there
//   disk        loads the modules of a disk
//   write N     writes the number N to 4 MiB of the disk
//   read        prints the number that is in all of them
//   off         powers off
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <string>

namespace {

constexpr std::size_t mb = 1u << 20;
constexpr long disk_words = 4 * mb / sizeof(std::uint64_t);

char* memory_of(std::size_t size, int kind) {
    void* memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, kind | MAP_ANONYMOUS, -1, 0);
    return memory == MAP_FAILED ? nullptr : static_cast<char*>(memory);
}

std::uint64_t next(std::uint64_t& state) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

struct Dirty {
    std::atomic<std::uint64_t> rounds{0}, wrong{0};
};

Dirty* dirty(std::size_t size) {
    auto* shared = new (memory_of(4096, MAP_SHARED)) Dirty;
    if (fork() != 0) return shared;
    auto* words = reinterpret_cast<std::uint64_t*>(memory_of(size, MAP_PRIVATE));
    const std::size_t step = 4096 / sizeof *words;
    for (std::uint64_t round = 0;; ++round, ++shared->rounds)
        for (std::size_t i = 0; i < size / sizeof *words; i += step) {
            if (words[i] != round) ++shared->wrong;
            words[i] = round + 1;
        }
}

void load_modules(const char* list) {
    std::ifstream names(list);
    for (std::string name; std::getline(names, name);) {
        const int file = open(name.c_str(), O_RDONLY);
        syscall(SYS_finit_module, file, "", 0);
        close(file);
    }
}

void answer(const char* what, unsigned long long value) {
    std::printf("%s %llu\n", what, value);
    std::fflush(stdout);
}

// The disk itself is asked, not what the kernel remembers of it.
bool on_disk(std::uint64_t* numbers, bool write) {
    const int disk = open("/dev/vda", O_RDWR | O_DIRECT | O_SYNC);
    const std::size_t size = static_cast<std::size_t>(disk_words) * sizeof *numbers;
    const ssize_t done = write ? pwrite(disk, numbers, size, 0) : pread(disk, numbers, size, 0);
    close(disk);
    return done == static_cast<ssize_t>(size);
}

bool write_disk(std::uint64_t number) {
    auto* numbers = reinterpret_cast<std::uint64_t*>(memory_of(4 * mb, MAP_PRIVATE));
    std::fill_n(numbers, disk_words, number);
    const bool done = on_disk(numbers, true);
    munmap(numbers, 4 * mb);
    return done;
}

// 0: they are not all the same.
std::uint64_t read_disk() {
    auto* numbers = reinterpret_cast<std::uint64_t*>(memory_of(4 * mb, MAP_PRIVATE));
    const bool done = on_disk(numbers, false) &&
                      std::count(numbers, numbers + disk_words, numbers[0]) == disk_words;
    const std::uint64_t number = done ? numbers[0] : 0;
    munmap(numbers, 4 * mb);
    return number;
}

}  // namespace

int main() {
    std::setvbuf(stdin, nullptr, _IONBF, 0);
    std::puts("guest is up");
    std::fflush(stdout);
    char line[128];
    char* filled = nullptr;
    std::size_t filled_size = 0;
    Dirty* dirtying = nullptr;
    while (std::fgets(line, sizeof line, stdin)) {
        std::size_t n = 0;
        if (std::sscanf(line, "eat %zu", &n) == 1) {
            char* memory = memory_of(n * mb, MAP_PRIVATE);
            if (memory != nullptr) std::memset(memory, 1, n * mb);
            answer("ate", n);
        } else if (std::sscanf(line, "fill %zu", &n) == 1) {
            filled = memory_of(filled_size = n * mb, MAP_PRIVATE);
            std::uint64_t state = 88172645463325252ull;
            for (std::size_t at = 0; at < filled_size; at += sizeof state) {
                next(state);
                std::memcpy(filled + at, &state, sizeof state);
            }
            answer("filled", n);
        } else if (std::strncmp(line, "sum", 3) == 0) {
            std::uint64_t sum = 0;
            for (std::size_t at = 0; at < filled_size; at += sizeof sum) {
                std::uint64_t word = 0;
                std::memcpy(&word, filled + at, sizeof word);
                sum = sum * 31 + word;
            }
            answer("sum", sum);
        } else if (std::sscanf(line, "dirty %zu", &n) == 1) {
            dirtying = dirty(n * mb);
            answer("dirtying", n);
        } else if (std::strncmp(line, "rounds", 6) == 0 && dirtying != nullptr) {
            answer("wrong", dirtying->wrong);
            answer("rounds", dirtying->rounds);
        } else if (std::strncmp(line, "disk", 4) == 0) {
            load_modules("/holon/modules.load");
            load_modules("/holon/modules.disk");
            mkdir("/dev", 0755);
            mount("dev", "/dev", "devtmpfs", 0, nullptr);
            answer("disk", access("/dev/vda", F_OK) == 0);
        } else if (std::sscanf(line, "write %zu", &n) == 1) {
            answer("wrote", write_disk(n) ? n : 0);
        } else if (std::strncmp(line, "read", 4) == 0) {
            answer("read", read_disk());
        } else if (std::strncmp(line, "off", 3) == 0) {
            reboot(RB_POWER_OFF);
        }
    }
    for (;;) pause();
}

// SPDX-License-Identifier: GPL-2.0-or-later
//
// Calls about the address space that the kernel refuses, in part or whole, while another thread has
// the memory: what they did not change is as it was, on every node.
#include <sys/mman.h>

#include "faults.h"

namespace {

constexpr std::size_t page = 4096, pages = 8;
unsigned char* memory;

void fill(int) { std::memset(memory, 7, pages * page); }
/// By a thread of its own: how many bytes are as fill() left them.
void count(int) {
    std::size_t same = 0;
    for (std::size_t i = 0; i < pages * page; ++i) same += memory[i] == 7;
    std::printf("bytes as they were: %zu\n", same);
}

void refused(const char* what, long result) {
    std::printf("%s: %ld %s\n", what, result == -1 ? -1L : 0L,
                result == -1 ? std::strerror(errno) : "");
    run_threads(1, count);
}

long failed_map(void* got) { return got == MAP_FAILED ? -1 : 0; }

}  // namespace

int main() {
    faults::catch_them();
    const int both = PROT_READ | PROT_WRITE, fixed = MAP_PRIVATE | MAP_FIXED;
    memory = static_cast<unsigned char*>(
        mmap(nullptr, (pages + 2) * page, both, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    MUST(memory != MAP_FAILED);
    run_threads(1, fill);
    refused("mmap over it of a file that is not open",
            failed_map(mmap(memory, page, both, fixed, -1, 0)));
    refused("munmap of more than there is", munmap(memory, ~std::size_t{0}));
    refused("munmap of nothing", munmap(memory, 0));
    refused("mprotect of nothing", mprotect(memory, 0, PROT_NONE));
    refused("madvise of nothing", madvise(memory, 0, MADV_DONTNEED));
    refused("mremap to nothing", failed_map(mremap(memory, page, 0, MREMAP_MAYMOVE)));
    refused("a break before the heap", brk(reinterpret_cast<void*>(page)));
    // What lies before the hole is changed all the same.
    MUST(munmap(memory + pages * page, page) == 0);
    refused("mprotect across a hole", mprotect(memory, (pages + 2) * page, PROT_READ));
    const auto touch = [](int) { std::puts(faults::touch(memory, true)); };
    run_threads(2, touch);
}

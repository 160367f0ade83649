// SPDX-License-Identifier: GPL-2.0-or-later
#include "ssi/daemon/machine.h"

#include <cpuid.h>
#include <sched.h>

#include <array>
#include <cstdint>

#include "plugins/os/error.h"

namespace holon::ssi::daemon {
namespace {

// Leaf, subleaf, register (0 = EAX … 3 = EDX), and what is left out of the word. Bit 31 of 1:ECX
// says only whether there is a hypervisor; bit 28 of 1:EDX and bit 1 of 80000001:ECX whether the
// processor has several logical CPUs, which nodes of unequal size differ in.
struct Word {
    std::uint32_t leaf, subleaf;
    int reg;
    std::uint32_t ignored;
    const char* name;
};
constexpr std::array<Word, 12> words{{
    {0, 0, 1, 0, "vendor"},
    {1, 0, 2, 1u << 31, "1:ECX"},
    {1, 0, 3, 1u << 28, "1:EDX"},
    {7, 0, 1, 0, "7:EBX"},
    {7, 0, 2, 0, "7:ECX"},
    {7, 0, 3, 0, "7:EDX"},
    {7, 1, 0, 0, "7.1:EAX"},
    {7, 1, 3, 0, "7.1:EDX"},
    {0xd, 1, 0, 0, "D.1:EAX"},
    {0x80000001, 0, 2, 1u << 1, "80000001:ECX"},
    {0x80000001, 0, 3, 0, "80000001:EDX"},
    {0x80000008, 0, 1, 0, "80000008:EBX"},
}};

std::array<std::uint32_t, 4> cpuid(std::uint32_t leaf, std::uint32_t subleaf) {
    std::array<std::uint32_t, 4> out{};
    __get_cpuid_count(leaf, subleaf, &out[0], &out[1], &out[2], &out[3]);
    return out;
}

}  // namespace

Machine this_machine() {
    Machine machine;
    for (std::size_t i = 0; i < words.size(); ++i)
        machine.features[i] =
            cpuid(words[i].leaf, words[i].subleaf)[static_cast<std::size_t>(words[i].reg)] &
            ~words[i].ignored;
    machine.xsave_size = cpuid(0xd, 0)[1];
    if ((cpuid(1, 0)[2] & bit_OSXSAVE) != 0) {
        std::uint32_t low = 0, high = 0;
        asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
        machine.xsave_mask = low | (static_cast<std::uint64_t>(high) << 32);
    }
    return machine;
}

std::string difference(const Machine& home, const Machine& other) {
    for (std::size_t i = 0; i < words.size(); ++i)
        if (home.features[i] != other.features[i])
            return fmt::format("CPUID {} is {:#x} here and {:#x} there", words[i].name,
                               home.features[i], other.features[i]);
    if (home.xsave_size != other.xsave_size)
        return fmt::format("the XSAVE area has {} bytes here and {} there", home.xsave_size,
                           other.xsave_size);
    if (home.xsave_mask != other.xsave_mask)
        return fmt::format("XCR0 is {:#x} here and {:#x} there", home.xsave_mask, other.xsave_mask);
    return {};
}

unsigned usable_cpus() {
    cpu_set_t set;
    CPU_ZERO(&set);
    if (::sched_getaffinity(0, sizeof set, &set) != 0) return 1;
    return static_cast<unsigned>(CPU_COUNT(&set));
}

}  // namespace holon::ssi::daemon

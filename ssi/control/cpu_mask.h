// SPDX-License-Identifier: GPL-2.0-or-later
//
// Sets of CPUs, of the virtual machine and of one kernel, and the way from one to the other. The
// CPUs of the virtual machine are numbered node by node, the home's first; those of a node stand
// for the CPUs of its kernel that its daemon may use, in ascending order. Freestanding: the runtime
// includes it.
#pragma once

#include <cstddef>
#include <cstdint>

namespace holon::ssi {

/// A set of numbers below `bits`, laid out as sched_setaffinity has it.
template <unsigned bits>
struct BitSet {
    static constexpr unsigned capacity = bits;
    static constexpr std::size_t bytes = bits / 8;
    std::uint64_t words[bits / 64];

    constexpr bool has(unsigned i) const {
        return i < bits && (words[i / 64] >> (i % 64) & 1) != 0;
    }
    constexpr void add(unsigned i) {
        if (i < bits) words[i / 64] |= std::uint64_t{1} << (i % 64);
    }
    constexpr void add(unsigned first, unsigned count) {
        for (unsigned i = 0; i < count && first + i < bits; ++i) add(first + i);
    }
    constexpr unsigned count() const {
        unsigned sum = 0;
        // No instruction that some CPU lacks, and no function of a library.
        for (std::uint64_t word : words)
            for (; word != 0; word &= word - 1) ++sum;
        return sum;
    }
    constexpr unsigned count_in(unsigned first, unsigned many) const {
        unsigned sum = 0;
        for (unsigned i = 0; i < many; ++i) sum += has(first + i) ? 1 : 0;
        return sum;
    }
    constexpr bool any() const {
        for (const std::uint64_t word : words)
            if (word != 0) return true;
        return false;
    }
    constexpr void keep(const BitSet& other) {
        for (std::size_t i = 0; i < bits / 64; ++i) words[i] &= other.words[i];
    }
    constexpr bool operator==(const BitSet& other) const = default;
};

/// CPUs of the virtual machine: 32 nodes of 128, or fewer with more.
using CpuMask = BitSet<4096>;
/// CPUs of one kernel, or of one node by their place in it.
using KernelCpus = BitSet<512>;

/// How many bytes sched_getaffinity answers with `total` CPUs, given room for `room`; 0: EINVAL.
constexpr std::size_t affinity_bytes(unsigned total, std::uint64_t room) {
    if (room % sizeof(std::uint64_t) != 0 || (room < CpuMask::bytes && room * 8 < total)) return 0;
    const std::size_t all = (total + 63) / 64 * 8;
    return room < all ? static_cast<std::size_t>(room) : all;
}

/// The part of `mask` that is a node's, whose CPUs are `count` from `first` on: bit 0 is its first.
constexpr KernelCpus part_of(const CpuMask& mask, unsigned first, unsigned count) {
    KernelCpus part{};
    for (unsigned i = 0; i < count; ++i)
        if (mask.has(first + i)) part.add(i);
    return part;
}

/// The CPUs of a kernel that stand for a node's, of which it has `count`. A node with more than its
/// kernel has CPUs begins again with the first. Empty `part`, empty or unknown `kernel`: `kernel`.
constexpr KernelCpus on_kernel(const KernelCpus& part, unsigned count, const KernelCpus& kernel) {
    const unsigned real = kernel.count();
    KernelCpus chosen{};
    for (unsigned place = 0, i = 0; i < KernelCpus::capacity && real != 0; ++i) {
        if (!kernel.has(i)) continue;
        for (unsigned at = place; at < count; at += real)
            if (part.has(at)) chosen.add(i);
        ++place;
    }
    return chosen.any() ? chosen : kernel;
}

}  // namespace holon::ssi

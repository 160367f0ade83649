// SPDX-License-Identifier: GPL-2.0-or-later
//
// A function of a vDSO by its name: how the runtime finds the kernel's own. Inline and freestanding
// (no libc; the loader may not have run yet).
#pragma once

#include <cstdint>

namespace holon::ssi::vdso {

namespace elf {

// What is needed of <elf.h>, under names that do not clash with its macros.
struct Header {
    unsigned char ident[16];
    std::uint16_t type, machine;
    std::uint32_t version;
    std::uint64_t entry, program_headers, section_headers;
    std::uint32_t flags;
    std::uint16_t header_size, program_header_size, program_header_count;
    std::uint16_t section_header_size, section_header_count, section_names;
};
struct ProgramHeader {
    std::uint32_t type, flags;
    std::uint64_t offset, address, physical, file_size, memory_size, alignment;
};
struct Dynamic {
    std::int64_t tag;
    std::uint64_t value;
};
struct Symbol {
    std::uint32_t name;
    unsigned char info, other;
    std::uint16_t section;
    std::uint64_t value, size;
};

/// DT_HASH says it; DT_GNU_HASH only implies it: the chain of the highest bucket ends with the last
/// symbol.
inline std::uint32_t count_symbols(const std::uint32_t* hash, const std::uint32_t* gnu_hash) {
    if (hash != nullptr) return hash[1];
    if (gnu_hash == nullptr) return 0;
    const std::uint32_t buckets = gnu_hash[0], first = gnu_hash[1], bloom = gnu_hash[2];
    const std::uint32_t* bucket = gnu_hash + 4 + 2 * std::uint64_t(bloom);
    const std::uint32_t* chain = bucket + buckets;
    std::uint32_t last = 0;
    for (std::uint32_t i = 0; i < buckets; ++i)
        if (bucket[i] > last) last = bucket[i];
    if (last < first) return first;
    while ((chain[last - first] & 1) == 0) ++last;
    return last + 1;
}

inline bool same(const char* a, const char* b) {
    while (*a != 0 && *a == *b) ++a, ++b;
    return *a == *b;
}

}  // namespace elf

/// Looks `name` up among the defined functions of the vDSO whose ELF header is at `ehdr`, mapped as
/// the kernel maps it. False when it is not there or this is no 64-bit ELF image; `out` is left
/// alone.
inline bool find_vdso_function(const void* ehdr, const char* name, void** out) {
    const auto* header = static_cast<const elf::Header*>(ehdr);
    if (header == nullptr || header->ident[0] != 0x7f || header->ident[1] != 'E' ||
        header->ident[2] != 'L' || header->ident[3] != 'F' || header->ident[4] != 2)
        return false;

    const auto start = reinterpret_cast<std::uint64_t>(ehdr);
    std::uint64_t base = 0;
    const elf::Dynamic* dynamic = nullptr;
    bool loaded = false;
    for (unsigned i = 0; i < header->program_header_count; ++i) {
        const auto* segment = reinterpret_cast<const elf::ProgramHeader*>(
            start + header->program_headers + i * std::uint64_t(header->program_header_size));
        if (segment->type == 1 && !loaded) {  // PT_LOAD
            base = start + segment->offset - segment->address;
            loaded = true;
        } else if (segment->type == 2) {  // PT_DYNAMIC
            dynamic = reinterpret_cast<const elf::Dynamic*>(start + segment->offset);
        }
    }
    if (!loaded || dynamic == nullptr) return false;

    const elf::Symbol* symbols = nullptr;
    const char* strings = nullptr;
    const std::uint32_t* hash = nullptr;
    const std::uint32_t* gnu_hash = nullptr;
    for (; dynamic->tag != 0; ++dynamic) {
        const std::uint64_t address = base + dynamic->value;
        if (dynamic->tag == 4) hash = reinterpret_cast<const std::uint32_t*>(address);
        if (dynamic->tag == 5) strings = reinterpret_cast<const char*>(address);
        if (dynamic->tag == 6) symbols = reinterpret_cast<const elf::Symbol*>(address);
        if (dynamic->tag == 0x6ffffef5) gnu_hash = reinterpret_cast<const std::uint32_t*>(address);
    }
    if (symbols == nullptr || strings == nullptr) return false;

    const std::uint32_t count = elf::count_symbols(hash, gnu_hash);
    for (std::uint32_t i = 1; i < count; ++i) {
        const elf::Symbol& symbol = symbols[i];
        const unsigned type = symbol.info & 15u, binding = symbol.info >> 4;
        const bool function = type == 0 || type == 2;  // STT_NOTYPE, STT_FUNC
        const bool global = binding == 1 || binding == 2;
        if (symbol.section == 0 || !function || !global) continue;
        if (!elf::same(strings + symbol.name, name)) continue;
        *out = reinterpret_cast<void*>(base + symbol.value);
        return true;
    }
    return false;
}

}  // namespace holon::ssi::vdso

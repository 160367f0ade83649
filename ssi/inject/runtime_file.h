// SPDX-License-Identifier: GPL-2.0-or-later
//
// The runtime's ELF file as the daemon knows it: parsed once, checked once, then mapped into every
// program by the loader (loader.S), which only carries out the list of mappings made here.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "plugins/os/fd.h"

namespace holon::ssi::inject {

// One mmap call of the loader. Anonymous where flags say so, else of the runtime's file.
struct Mapping {
    std::uint64_t address = 0;
    std::uint64_t length = 0;
    std::uint64_t protection = 0;
    std::uint64_t flags = 0;
    std::uint64_t offset = 0;
};
inline constexpr std::size_t max_mappings = 8;

// What a runtime's file asks for. What it may write to is anonymous memory into which the file's
// part is read: one mapping for .data and .bss, and no page that is first mapped and then copied;
// one with the page of parameters where it lies next to that.
struct RuntimeImage {
    std::vector<Mapping> mappings;
    std::uint64_t parameters_length = 0;  // of the mapping that begins with the parameters
    std::uint64_t read_to = 0;
    std::uint64_t read_length = 0;
    std::uint64_t read_offset = 0;
    std::uint64_t begin = 0;  // of the address range that the mappings cover
    std::uint64_t length = 0;
    std::uint64_t injected = 0;  // RuntimeHeader::injected
};

// Throws Error, without the file's name, when FILE is not a runtime of this build: ELF for x86-64
// at fixed addresses inside the runtime's range, no segment both writable and executable, a header
// of the same ABI in front.
RuntimeImage parse_runtime(std::span<const std::byte> file);

// A runtime's file on this node. `digest` (SHA-256) tells whether two nodes have the same build.
struct RuntimeFile {
    std::filesystem::path path;  // absolute, no symbolic links
    RuntimeImage image;
    std::array<std::uint8_t, 32> digest{};
    os::Fd fd;  // kept open: body processes are executed from it

    // False once the file at `path` is another one than was parsed: the mappings no longer fit it.
    bool unchanged() const;

    std::uint64_t links = 0, size = 0;
    std::int64_t modified_s = 0, modified_ns = 0;
};

// Throws Error naming the file.
RuntimeFile load_runtime(const std::filesystem::path& path);

}  // namespace holon::ssi::inject

// SPDX-License-Identifier: GPL-2.0-or-later
//
// The page of code and data that is laid over a program's entry point while the program stands at
// the end of its execve: the loader (loader.S) and what it needs to know.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "ssi/inject/runtime_file.h"
#include "ssi/runtime/layout.h"
#include "ssi/runtime/parameters.h"

namespace holon::ssi::inject {

inline constexpr std::size_t max_path = 512;  // of the runtime's file, with the zero byte

// Read by loader.S at these offsets; it lies right behind the loader's code.
struct LoaderData {
    Injection injection;              // 0
    std::uint64_t image_begin;        // 24
    std::uint64_t image_length;       // 32
    std::uint64_t injected;           // 40
    std::uint64_t parameters_at;      // 48
    std::uint64_t mapping_count;      // 56
    std::uint64_t read_to;            // 64
    std::uint64_t read_length;        // 72
    std::uint64_t read_offset;        // 80
    Mapping mappings[max_mappings];   // 88
    Parameters parameters;            // 408
    char path[max_path];              // 608
    std::uint64_t parameters_length;  // 1120
};
static_assert(offsetof(LoaderData, image_begin) == 24 && offsetof(LoaderData, mappings) == 88 &&
              sizeof(Mapping) == 40 && offsetof(LoaderData, parameters) == 408 &&
              sizeof(Parameters) == 200 && offsetof(LoaderData, path) == 608 &&
              offsetof(LoaderData, parameters_length) == 1120);

// The loader for one runtime and one set of parameters, made once per `ssi run`; per exec only the
// place of the entry point changes. The page always fits: it replaces exactly the page that the
// entry point lies in, which is mapped whatever else is. The loader lies in the half of the page
// where the entry point does not, and a jump to it at the entry point: one write makes both, so
// that a program never sees a part of them, and no register of it needs changing.
class Blob {
  public:
    using Page = std::array<std::byte, layout::page_size>;

    Blob(const RuntimeFile& runtime, const Parameters& parameters);

    struct Placed {
        const Page& page;     // to be written over the page of the entry point
        std::uint64_t start;  // the entry point; the loader itself where no jump fits there
    };
    // The loader for a program that starts at ENTRY.
    Placed page_for(std::uint64_t entry);

  private:
    static constexpr std::size_t half = layout::page_size / 2;
    LoaderData& data(unsigned at);
    alignas(
        16) std::array<Page, 2> pages_{};  // with the loader in the first half, in the second half
};

}  // namespace holon::ssi::inject

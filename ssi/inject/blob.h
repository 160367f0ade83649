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
    Injection injection;             // 0
    std::uint64_t image_begin;       // 24
    std::uint64_t image_length;      // 32
    std::uint64_t injected;          // 40
    std::uint64_t parameters_at;     // 48
    std::uint64_t mapping_count;     // 56
    std::uint64_t clear_address;     // 64
    std::uint64_t clear_length;      // 72
    Mapping mappings[max_mappings];  // 80
    Parameters parameters;           // 400
    char path[max_path];             // 400 + sizeof(Parameters)
};
static_assert(offsetof(LoaderData, image_begin) == 24 && offsetof(LoaderData, mappings) == 80 &&
              sizeof(Mapping) == 40 && offsetof(LoaderData, parameters) == 400 &&
              sizeof(Parameters) == 112 && offsetof(LoaderData, path) == 512);

// The loader for one runtime and one set of parameters, made once per `ssi run`; per exec only the
// place of the entry point changes. The page always fits: it replaces exactly the page that the
// entry point lies in, which is mapped whatever else is.
class Blob {
  public:
    using Page = std::array<std::byte, layout::page_size>;

    Blob(const RuntimeFile& runtime, const Parameters& parameters);

    // The loader for a program that starts at ENTRY; to be written to, and started at, the begin of
    // ENTRY's page.
    const Page& page_for(std::uint64_t entry);

  private:
    LoaderData& data();
    Page page_{};
};

}  // namespace holon::ssi::inject

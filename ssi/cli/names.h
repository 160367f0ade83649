// SPDX-License-Identifier: GPL-2.0-or-later
//
// What lies at an address of a program.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

struct Elf;  // libelf's

namespace holon::ssi::cli {

// Names addresses by the table of mappings of a process (/proc/PID/maps, as text) and the symbols
// of the files in it. The text may be anything. Files are read with the caller's rights; one that
// cannot be read has no symbols. A data segment is found although the engine has made anonymous
// memory of it: by where its file's other segments are.
class Names {
  public:
    explicit Names(std::string_view maps);

    // The mapping that STACK is in is that thread's stack.
    void add_stack(std::uint64_t stack, int tid);

    // "counters+0x40 (program)", "heap", "stack of thread 12", "anonymous memory (64 MiB)".
    std::string of(std::uint64_t address) const;

  private:
    struct Mapping {
        std::uint64_t begin, end, offset;
        bool file;
        std::string path;
        int stack_of = 0;
    };
    struct Symbol {
        std::uint64_t value, size;
        std::string name;
    };
    struct Object {
        std::string path;
        std::uint64_t bias, begin, end;  // of all its segments
        std::vector<Symbol> symbols;     // by value
    };
    static std::vector<Symbol> symbols_of(::Elf* elf);
    void read_object(const Mapping& mapping);
    const Mapping* mapping_of(std::uint64_t address) const;

    std::vector<Mapping> mappings_;
    std::vector<Object> objects_;
};

}  // namespace holon::ssi::cli

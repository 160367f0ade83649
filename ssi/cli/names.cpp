// SPDX-License-Identifier: GPL-2.0-or-later
#include "ssi/cli/names.h"

#include <cxxabi.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <gelf.h>
#include <libelf.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <sstream>

#include "plugins/os/fd.h"

namespace holon::ssi::cli {
namespace {

constexpr std::uint64_t page_size = 4096;

std::uint64_t hex(std::string_view text) {
    std::uint64_t value = 0;
    std::from_chars(text.data(), text.data() + text.size(), value, 16);
    return value;
}

std::string base_of(const std::string& path) {
    return std::filesystem::path(path).filename().string();
}

// As the program's author wrote it.
std::string readable(const std::string& name) {
    int error = 0;
    const std::unique_ptr<char, void (*)(void*)> text(
        abi::__cxa_demangle(name.c_str(), nullptr, nullptr, &error), std::free);
    return text ? text.get() : name;
}

std::string size_of(std::uint64_t bytes) {
    if (bytes >= 1 << 20) return fmt::format("{} MiB", bytes >> 20);
    return fmt::format("{} KiB", bytes >> 10);
}

}  // namespace

Names::Names(std::string_view maps) {
    std::istringstream lines{std::string(maps)};
    for (std::string line; std::getline(lines, line);) {
        std::istringstream words(line);
        std::string range, access, offset, device, inode, path;
        if (!(words >> range >> access >> offset >> device >> inode)) continue;
        std::getline(words >> std::ws, path);
        const std::size_t dash = range.find('-');
        if (dash == std::string::npos) continue;
        mappings_.push_back({hex(std::string_view(range).substr(0, dash)),
                             hex(std::string_view(range).substr(dash + 1)), hex(offset),
                             inode != "0", path});
    }
    std::sort(mappings_.begin(), mappings_.end(),
              [](const Mapping& a, const Mapping& b) { return a.begin < b.begin; });
    ::elf_version(EV_CURRENT);
    for (const Mapping& mapping : mappings_) {
        if (!mapping.file || mapping.path.empty() || mapping.path.front() != '/') continue;
        const bool known = std::any_of(objects_.begin(), objects_.end(), [&](const Object& object) {
            return object.path == mapping.path && mapping.begin < object.end &&
                   mapping.end > object.begin;
        });
        if (!known) read_object(mapping);
    }
}

std::vector<Names::Symbol> Names::symbols_of(::Elf* elf) {
    std::vector<Symbol> symbols;
    for (Elf_Scn* section = nullptr; (section = ::elf_nextscn(elf, section)) != nullptr;) {
        GElf_Shdr header;
        if (::gelf_getshdr(section, &header) == nullptr || header.sh_entsize == 0 ||
            (header.sh_type != SHT_SYMTAB && header.sh_type != SHT_DYNSYM))
            continue;
        Elf_Data* data = ::elf_getdata(section, nullptr);
        if (data == nullptr) continue;
        const auto count =
            static_cast<int>(std::min<std::uint64_t>(data->d_size / header.sh_entsize, 10'000'000));
        for (int i = 0; i < count; ++i) {
            GElf_Sym symbol;
            if (::gelf_getsym(data, i, &symbol) == nullptr || symbol.st_value == 0) continue;
            const auto type = GELF_ST_TYPE(symbol.st_info);
            if (symbol.st_shndx == SHN_UNDEF || (type != STT_OBJECT && type != STT_FUNC)) continue;
            const char* name = ::elf_strptr(elf, header.sh_link, symbol.st_name);
            if (name != nullptr && *name != '\0')
                symbols.push_back({symbol.st_value, symbol.st_size, name});
        }
    }
    std::sort(symbols.begin(), symbols.end(),
              [](const Symbol& a, const Symbol& b) { return a.value < b.value; });
    return symbols;
}

void Names::read_object(const Mapping& mapping) {
    // A path of a program's may name anything, a pipe among them.
    const os::Fd file(::open(mapping.path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (!file.valid()) return;
    Elf* elf = ::elf_begin(file.get(), ELF_C_READ_MMAP, nullptr);
    if (elf == nullptr) return;
    Object object{mapping.path, 0, ~std::uint64_t{0}, 0, {}};
    bool found = false;
    std::size_t count = 0;
    ::elf_getphdrnum(elf, &count);
    for (int pass = 0; pass < 2; ++pass)
        for (std::size_t i = 0; i < count; ++i) {
            GElf_Phdr segment;
            if (::gelf_getphdr(elf, static_cast<int>(i), &segment) == nullptr ||
                segment.p_type != PT_LOAD)
                continue;
            const std::uint64_t page = segment.p_vaddr & ~(page_size - 1);
            if (pass == 0) {
                if (!found && (segment.p_offset & ~(page_size - 1)) == mapping.offset) {
                    object.bias = mapping.begin - page;
                    found = true;
                }
            } else {
                object.begin = std::min(object.begin, object.bias + page);
                object.end = std::max(object.end, object.bias + segment.p_vaddr + segment.p_memsz);
            }
        }
    if (found) {
        object.symbols = symbols_of(elf);
        objects_.push_back(std::move(object));
    }
    ::elf_end(elf);
}

const Names::Mapping* Names::mapping_of(std::uint64_t address) const {
    for (const Mapping& mapping : mappings_)
        if (address >= mapping.begin && address < mapping.end) return &mapping;
    return nullptr;
}

void Names::add_stack(std::uint64_t stack, int tid) {
    for (Mapping& mapping : mappings_)
        if (stack >= mapping.begin && stack < mapping.end && mapping.path.empty() &&
            mapping.stack_of == 0)
            mapping.stack_of = tid;
}

std::string Names::of(std::uint64_t address) const {
    for (const Object& object : objects_) {
        if (address < object.begin || address >= object.end) continue;
        const std::uint64_t value = address - object.bias;
        auto after = std::upper_bound(
            object.symbols.begin(), object.symbols.end(), value,
            [](std::uint64_t at, const Symbol& symbol) { return at < symbol.value; });
        while (after != object.symbols.begin()) {
            --after;
            if (value - after->value < std::max<std::uint64_t>(after->size, 1)) {
                const std::uint64_t into = value - after->value;
                return into == 0
                           ? fmt::format("{} ({})", readable(after->name), base_of(object.path))
                           : fmt::format("{}+{:#x} ({})", readable(after->name), into,
                                         base_of(object.path));
            }
            if (value - after->value > (1 << 26)) break;
        }
        return fmt::format("{}+{:#x}", base_of(object.path), value);
    }
    const Mapping* mapping = mapping_of(address);
    if (mapping == nullptr) return "memory that is no longer mapped";
    if (mapping->path == "[heap]") return "heap";
    if (mapping->path == "[stack]") return "stack of the first thread";
    if (mapping->stack_of != 0) return fmt::format("stack of thread {}", mapping->stack_of);
    if (mapping->path.empty())
        return fmt::format("anonymous memory ({})", size_of(mapping->end - mapping->begin));
    return base_of(mapping->path);
}

}  // namespace holon::ssi::cli

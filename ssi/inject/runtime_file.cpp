// SPDX-License-Identifier: GPL-2.0-or-later
#include "ssi/inject/runtime_file.h"

#include <elf.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstring>

#include "plugins/os/error.h"
#include "plugins/os/file.h"
#include "ssi/inject/blob.h"
#include "ssi/runtime/layout.h"
#include "ssi/runtime/parameters.h"

namespace holon::ssi::inject {
namespace {

constexpr std::uint64_t page_mask = layout::page_size - 1;
constexpr std::uint64_t fixed = MAP_PRIVATE | MAP_FIXED_NOREPLACE;

std::uint64_t page_up(std::uint64_t value) { return (value + page_mask) & ~page_mask; }

template <typename T>
T take(std::span<const std::byte> file, std::uint64_t offset, const char* what) {
    if (offset > file.size() || file.size() - offset < sizeof(T))
        throw Error("not a runtime: the file ends inside {}", what);
    T value;
    std::memcpy(&value, file.data() + offset, sizeof value);
    return value;
}

std::uint64_t protection_of(const Elf64_Phdr& segment) {
    return ((segment.p_flags & PF_R) != 0 ? PROT_READ : 0u) |
           ((segment.p_flags & PF_W) != 0 ? PROT_WRITE : 0u) |
           ((segment.p_flags & PF_X) != 0 ? PROT_EXEC : 0u);
}

void check_segment(const Elf64_Phdr& segment, std::uint64_t file_size, std::uint64_t previous_end) {
    constexpr std::uint64_t room = layout::arena - layout::data;
    if (segment.p_vaddr < layout::data || segment.p_vaddr >= layout::arena ||
        segment.p_memsz > room || segment.p_vaddr + segment.p_memsz > layout::arena)
        throw Error("not a runtime: a segment lies outside the runtime's range");
    if ((segment.p_vaddr & ~page_mask) < previous_end)
        throw Error("not a runtime: two segments share a page");
    if (segment.p_filesz > segment.p_memsz || segment.p_offset > file_size ||
        segment.p_filesz > file_size - segment.p_offset)
        throw Error("not a runtime: a segment lies outside the file");
    if (((segment.p_vaddr ^ segment.p_offset) & page_mask) != 0)
        throw Error("not a runtime: a segment cannot be mapped from the file");
    if ((segment.p_flags & (PF_W | PF_X)) == (PF_W | PF_X))
        throw Error("not a runtime: a segment is writable and executable");
}

void add_segment(RuntimeImage& image, const Elf64_Phdr& segment) {
    const std::uint64_t start = segment.p_vaddr & ~page_mask;
    const std::uint64_t end = page_up(segment.p_vaddr + segment.p_memsz);
    image.length = end - image.begin;
    if ((segment.p_flags & PF_W) != 0) {
        if (image.read_length != 0) throw Error("not a runtime: two segments are writable");
        if (start == layout::data)
            image.parameters_length = end - layout::parameters;
        else
            image.mappings.push_back(
                {start, end - start, protection_of(segment), fixed | MAP_ANONYMOUS, 0});
        image.read_to = segment.p_vaddr;
        image.read_length = segment.p_filesz;
        image.read_offset = segment.p_offset;
        return;
    }
    if (segment.p_memsz != segment.p_filesz)
        throw Error("not a runtime: a segment without write access has more memory than file");
    image.mappings.push_back(
        {start, end - start, protection_of(segment), fixed, segment.p_offset & ~page_mask});
}

}  // namespace

RuntimeImage parse_runtime(std::span<const std::byte> file) {
    const auto elf = take<Elf64_Ehdr>(file, 0, "the ELF header");
    if (std::memcmp(elf.e_ident, ELFMAG, SELFMAG) != 0 || elf.e_ident[EI_CLASS] != ELFCLASS64 ||
        elf.e_machine != EM_X86_64 || elf.e_type != ET_EXEC ||
        elf.e_phentsize != sizeof(Elf64_Phdr))
        throw Error("not a runtime: not an x86-64 program at fixed addresses");
    RuntimeImage image;
    image.parameters_length = layout::page_size;
    std::uint64_t end = 0;
    for (unsigned i = 0; i < elf.e_phnum; ++i) {
        if (elf.e_phoff > file.size()) throw Error("not a runtime: no program headers");
        const auto segment =
            take<Elf64_Phdr>(file, elf.e_phoff + i * sizeof(Elf64_Phdr), "the program headers");
        if (segment.p_type == PT_INTERP || segment.p_type == PT_DYNAMIC)
            throw Error("not a runtime: it is dynamically linked");
        if (segment.p_type != PT_LOAD || segment.p_memsz == 0) continue;
        check_segment(segment, file.size(), end);
        if (image.begin == 0) image.begin = segment.p_vaddr & ~page_mask;
        if (segment.p_vaddr <= layout::image &&
            layout::image - segment.p_vaddr < segment.p_filesz) {
            const auto header = take<RuntimeHeader>(
                file, segment.p_offset + (layout::image - segment.p_vaddr), "the runtime's header");
            if (header.magic != runtime_magic) throw Error("not a runtime: no header in front");
            if (header.abi != runtime_abi)
                throw Error("it is of ABI {}, this program needs ABI {}: install both together",
                            header.abi, runtime_abi);
            image.injected = header.injected;
        }
        add_segment(image, segment);
        end = image.begin + image.length;
        if (image.mappings.size() > max_mappings) throw Error("not a runtime: too many segments");
    }
    if (image.mappings.empty()) throw Error("not a runtime: nothing to load");
    if (image.injected == 0) throw Error("not a runtime: no header where a runtime's code begins");
    const bool enters =
        std::any_of(image.mappings.begin(), image.mappings.end(), [&](const Mapping& mapping) {
            return (mapping.protection & PROT_EXEC) != 0 && image.injected >= mapping.address &&
                   image.injected - mapping.address < mapping.length;
        });
    if (!enters) throw Error("not a runtime: its entry lies outside it");
    return image;
}

RuntimeFile load_runtime(const std::filesystem::path& given) {
    RuntimeFile runtime;
    std::error_code error;
    runtime.path = std::filesystem::canonical(given, error);
    if (error) throw Error("{}: {}", given.string(), error.message());
    if (runtime.path.native().size() >= max_path)
        throw Error("{}: the path is too long, {} characters at most", runtime.path.string(),
                    max_path - 1);
    runtime.fd.reset(::open(runtime.path.c_str(), O_RDONLY | O_CLOEXEC));
    struct stat status {};
    if (!runtime.fd.valid() || ::fstat(runtime.fd.get(), &status) != 0)
        throw Error("{}: {}", runtime.path.string(), errno_text());
    const std::string content = os::read_file(runtime.path);
    try {
        runtime.image = parse_runtime(std::as_bytes(std::span(content)));
    } catch (const Error& what) {
        throw Error("{}: {}", runtime.path.string(), what.what());
    }
    if (::EVP_Digest(content.data(), content.size(), runtime.digest.data(), nullptr, EVP_sha256(),
                     nullptr) != 1)
        throw Error("{}: cannot compute its SHA-256", runtime.path.string());
    runtime.links = status.st_nlink;
    runtime.size = static_cast<std::uint64_t>(status.st_size);
    runtime.modified_s = status.st_mtim.tv_sec;
    runtime.modified_ns = status.st_mtim.tv_nsec;
    return runtime;
}

// Of the file that is held open, which is quicker than to look the path up: a file replaced by
// another loses a link.
bool RuntimeFile::unchanged() const {
    struct stat status {};
    return ::fstat(fd.get(), &status) == 0 && status.st_nlink == links &&
           static_cast<std::uint64_t>(status.st_size) == size &&
           status.st_mtim.tv_sec == modified_s && status.st_mtim.tv_nsec == modified_ns;
}

}  // namespace holon::ssi::inject

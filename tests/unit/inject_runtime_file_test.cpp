// SPDX-License-Identifier: GPL-2.0-or-later
#include "ssi/inject/runtime_file.h"

#include <elf.h>
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <cstring>
#include <functional>

#include "plugins/os/error.h"
#include "ssi/runtime/layout.h"
#include "ssi/runtime/parameters.h"

namespace holon::ssi::inject {
namespace {

// A runtime's file: text of one page, data of 0x10 bytes in the file and 0x2100 in memory.
struct File {
    Elf64_Ehdr elf{};
    Elf64_Phdr text{}, data{};
    RuntimeHeader header{};

    File() {
        std::memcpy(elf.e_ident, ELFMAG, SELFMAG);
        elf.e_ident[EI_CLASS] = ELFCLASS64;
        elf.e_machine = EM_X86_64;
        elf.e_type = ET_EXEC;
        elf.e_phoff = sizeof elf;
        elf.e_phentsize = sizeof(Elf64_Phdr);
        elf.e_phnum = 2;
        text = {PT_LOAD, PF_R | PF_X, 0x1000, layout::image, 0, 0x800, 0x800, 0x1000};
        data = {PT_LOAD, PF_R | PF_W, 0x2020, layout::image + 0x1020, 0, 0x10, 0x2100, 0x1000};
        header = {runtime_magic, runtime_abi, 0, layout::image + 0x100};
    }
    RuntimeImage parse() const {
        std::vector<std::byte> bytes(0x2030);
        std::memcpy(bytes.data(), &elf, sizeof elf);
        std::memcpy(bytes.data() + 64, &text, sizeof text);
        std::memcpy(bytes.data() + 64 + 56, &data, sizeof data);
        std::memcpy(bytes.data() + 0x1000, &header, sizeof header);
        return parse_runtime(bytes);
    }
};

TEST(RuntimeFile, SegmentsBecomeMappings) {
    const RuntimeImage image = File().parse();
    ASSERT_EQ(image.mappings.size(), 2u);
    const Mapping& text = image.mappings[0];
    EXPECT_EQ(text.address, layout::image);
    EXPECT_EQ(text.length, 0x1000u);
    EXPECT_EQ(text.protection, static_cast<unsigned>(PROT_READ | PROT_EXEC));
    EXPECT_EQ(text.offset, 0x1000u);
    EXPECT_EQ(text.flags & MAP_ANONYMOUS, 0u);
    const Mapping& data = image.mappings[1];
    EXPECT_EQ(data.address, layout::image + 0x1000);
    EXPECT_EQ(data.length, 0x3000u);
    EXPECT_EQ(data.protection, static_cast<unsigned>(PROT_READ | PROT_WRITE));
    EXPECT_NE(data.flags & MAP_ANONYMOUS, 0u);
    EXPECT_EQ(image.length, 0x4000u);
    EXPECT_EQ(image.injected, layout::image + 0x100);
}

TEST(RuntimeFile, TheFilesPartOfTheDataIsRead) {
    const RuntimeImage image = File().parse();
    EXPECT_EQ(image.read_to, layout::image + 0x1020);
    EXPECT_EQ(image.read_length, 0x10u);
    EXPECT_EQ(image.read_offset, 0x2020u);
}

// The engine's own: data next to the parameters, and something of its code's segment before the
// code.
TEST(RuntimeFile, WhatLiesNextToTheParametersIsMappedWithThem) {
    File file;
    file.data.p_vaddr = layout::data + 0x20;
    file.text = {PT_LOAD, PF_R | PF_X, 0, layout::image - 0x1000, 0, 0x1800, 0x1800, 0x1000};
    std::swap(file.data, file.text);
    const RuntimeImage image = file.parse();
    ASSERT_EQ(image.mappings.size(), 1u);
    EXPECT_EQ(image.mappings[0].address, layout::image - 0x1000);
    EXPECT_EQ(image.mappings[0].length, 0x2000u);
    EXPECT_EQ(image.parameters_length, 0x4000u);
    EXPECT_EQ(image.begin, layout::data);
    EXPECT_EQ(image.begin + image.length, layout::image + 0x1000);
    EXPECT_EQ(image.read_to, layout::data + 0x20);
    EXPECT_EQ(image.injected, layout::image + 0x100);
}

struct Fault {
    const char* name;
    std::function<void(File&)> make;
};

class FaultyRuntimeFile : public testing::TestWithParam<Fault> {};

TEST_P(FaultyRuntimeFile, IsRefused) {
    File file;
    GetParam().make(file);
    EXPECT_THROW(file.parse(), Error);
}

INSTANTIATE_TEST_SUITE_P(
    All, FaultyRuntimeFile,
    testing::Values(
        Fault{"NotElf", [](File& f) { f.elf.e_ident[0] = 0; }},
        Fault{"ThirtyTwoBit", [](File& f) { f.elf.e_ident[EI_CLASS] = ELFCLASS32; }},
        Fault{"OtherMachine", [](File& f) { f.elf.e_machine = EM_AARCH64; }},
        Fault{"MovableProgram", [](File& f) { f.elf.e_type = ET_DYN; }},
        Fault{"HeadersOutside", [](File& f) { f.elf.e_phoff = ~0ull - 8; }},
        Fault{"TooManyHeaders", [](File& f) { f.elf.e_phnum = 0xffff; }},
        Fault{"DynamicLinker", [](File& f) { f.data.p_type = PT_INTERP; }},
        Fault{"NoHeader", [](File& f) { f.header.magic = 0; }},
        Fault{"OtherAbi", [](File& f) { f.header.abi = runtime_abi + 1; }},
        Fault{"EntryOutside", [](File& f) { f.header.injected = layout::image + 0x4000; }},
        Fault{"BeginsElsewhere", [](File& f) { f.text.p_vaddr += 0x1000; }},
        Fault{"BelowTheRange", [](File& f) { f.data.p_vaddr = 0x401020; }},
        Fault{"IntoTheArena", [](File& f) { f.data.p_memsz = 0x1000'0000; }},
        Fault{"WrapsAround", [](File& f) { f.data.p_memsz = ~0ull; }},
        Fault{"OutsideTheFile", [](File& f) { f.data.p_offset = 0x9020; }},
        Fault{"LargerInTheFile", [](File& f) { f.data.p_filesz = 0x3000; }},
        Fault{"Misaligned", [](File& f) { f.data.p_offset = 0x2010; }},
        Fault{"WritableCode", [](File& f) { f.text.p_flags = PF_R | PF_W | PF_X; }},
        Fault{"BssWithoutWriteAccess", [](File& f) { f.text.p_memsz = 0x900; }},
        Fault{"SharedPage", [](File& f) { f.data.p_vaddr = layout::image + 0x20; }},
        Fault{"NothingToLoad", [](File& f) { f.text.p_type = f.data.p_type = PT_NOTE; }}),
    [](const auto& fault) { return fault.param.name; });

TEST(RuntimeFile, AnEmptyFileIsRefused) { EXPECT_THROW(parse_runtime({}), Error); }

}  // namespace
}  // namespace holon::ssi::inject

// SPDX-License-Identifier: GPL-2.0-or-later
#include "ssi/inject/blob.h"

#include <algorithm>
#include <cstring>

#include "plugins/os/error.h"

extern "C" const std::byte holon_ssi_loader_begin[];
extern "C" const std::byte holon_ssi_loader_end[];

namespace holon::ssi::inject {
namespace {

std::size_t code_size() {
    return static_cast<std::size_t>(holon_ssi_loader_end - holon_ssi_loader_begin);
}

}  // namespace

LoaderData& Blob::data(unsigned at) {
    return *reinterpret_cast<LoaderData*>(pages_[at].data() + at * half + code_size());
}

Blob::Blob(const RuntimeFile& runtime, const Parameters& parameters) {
    if (code_size() + sizeof(LoaderData) > half || code_size() % alignof(LoaderData) != 0)
        throw Error("the loader does not fit into half a page");
    for (unsigned at : {0u, 1u}) {
        std::memcpy(pages_[at].data() + at * half, holon_ssi_loader_begin, code_size());
        LoaderData& filled = data(at);
        filled.image_begin = runtime.image.begin;
        filled.image_length = runtime.image.length;
        filled.injected = runtime.image.injected;
        filled.parameters_at = layout::parameters;
        filled.parameters_length = runtime.image.parameters_length;
        filled.mapping_count = runtime.image.mappings.size();
        filled.read_to = runtime.image.read_to;
        filled.read_length = runtime.image.read_length;
        filled.read_offset = runtime.image.read_offset;
        std::copy(runtime.image.mappings.begin(), runtime.image.mappings.end(), filled.mappings);
        filled.parameters = parameters;
        const std::string& path = runtime.path.native();
        std::memcpy(filled.path, path.c_str(), path.size() + 1);
    }
}

Blob::Placed Blob::page_for(std::uint64_t entry) {
    constexpr std::byte jump{0xe9};  // to a distance in the next four bytes, from behind them
    constexpr std::size_t jump_size = 5;
    const std::uint64_t page = entry & ~(layout::page_size - 1);
    const std::size_t offset = entry - page;
    const unsigned at = offset < half ? 1 : 0;
    data(at).injection = {entry, page, layout::page_size};
    // The jump of an entry point at the very end of the first half would run into the loader.
    const bool fits = offset + jump_size <= (at == 1 ? half : layout::page_size);
    if (!fits) return {pages_[at], page + at * half};
    const auto distance =
        static_cast<std::int32_t>(at * half) - static_cast<std::int32_t>(offset + jump_size);
    pages_[at][offset] = jump;
    std::memcpy(&pages_[at][offset + 1], &distance, sizeof distance);
    return {pages_[at], entry};
}

}  // namespace holon::ssi::inject

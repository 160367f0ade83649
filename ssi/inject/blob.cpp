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

LoaderData& Blob::data() { return *reinterpret_cast<LoaderData*>(page_.data() + code_size()); }

Blob::Blob(const RuntimeFile& runtime, const Parameters& parameters) {
    if (code_size() + sizeof(LoaderData) > page_.size() || code_size() % alignof(LoaderData) != 0)
        throw Error("the loader does not fit into a page");
    std::memcpy(page_.data(), holon_ssi_loader_begin, code_size());
    LoaderData& filled = data();
    filled.image_begin = runtime.image.begin;
    filled.image_length = runtime.image.length;
    filled.injected = runtime.image.injected;
    filled.parameters_at = layout::parameters;
    filled.mapping_count = runtime.image.mappings.size();
    filled.clear_address = runtime.image.clear_address;
    filled.clear_length = runtime.image.clear_length;
    std::copy(runtime.image.mappings.begin(), runtime.image.mappings.end(), filled.mappings);
    filled.parameters = parameters;
    const std::string& path = runtime.path.native();
    std::memcpy(filled.path, path.c_str(), path.size() + 1);
}

const Blob::Page& Blob::page_for(std::uint64_t entry) {
    data().injection = {entry, entry & ~(layout::page_size - 1), layout::page_size};
    return page_;
}

}  // namespace holon::ssi::inject

// SPDX-License-Identifier: GPL-2.0-or-later
#include "select/shadow/stock.h"

#include <dlfcn.h>

#include <filesystem>

#include "plugins/os/error.h"

namespace holon::shadow {
namespace {

constexpr const char* file_name = "select_cons_tres.so";

std::vector<Operation*>& operations() {
    static std::vector<Operation*> all;
    return all;
}

void* handle = nullptr;

std::string own_path() {
    Dl_info info{};
    if (::dladdr(reinterpret_cast<void*>(&own_path), &info) == 0 || info.dli_fname == nullptr)
        throw Error("cannot tell its own path");
    return info.dli_fname;
}

// Both have init and fini, which Slurm looks for by these names.
void call(const char* function) {
    if (void* const found = ::dlsym(handle, function)) reinterpret_cast<int (*)()>(found)();
}

std::string release_text(std::uint32_t number) {
    return fmt::format("{}.{:02}.{}", number >> 16 & 255, number >> 8 & 255, number & 255);
}

}  // namespace

Operation::Operation(const char* its_symbol, void** its_function)
    : symbol(its_symbol), function(its_function) {
    operations().push_back(this);
}

std::string find_stock(std::string_view plugin_dir, const std::string& own) {
    namespace fs = std::filesystem;
    std::error_code error;
    std::string_view rest = plugin_dir;
    while (!rest.empty()) {
        const auto colon = rest.find(':');
        const fs::path path = fs::path(rest.substr(0, colon)) / file_name;
        rest = colon == std::string_view::npos ? "" : rest.substr(colon + 1);
        if (fs::exists(path, error) && !fs::equivalent(path, own, error)) return path;
    }
    throw Error("{}: no {} of Slurm's own in PluginDir ({}): name Slurm's folder behind Holon's",
                own, file_name, plugin_dir);
}

void Stock::load(std::string_view plugin_dir, std::uint32_t release) {
    if (handle == nullptr) {
        const std::string path = find_stock(plugin_dir, own_path());
        void* const library = ::dlopen(path.c_str(), RTLD_LAZY | RTLD_LOCAL);
        if (library == nullptr) throw Error("{}", ::dlerror());
        try {
            const auto* version =
                static_cast<const std::uint32_t*>(::dlsym(library, "plugin_version"));
            if (version == nullptr || *version != release)
                throw Error("{} is of Slurm {}, this plugin was built for {}: build Holon again",
                            path, version == nullptr ? "?" : release_text(*version),
                            release_text(release));
            for (const Operation* operation : operations()) {
                void* const found = ::dlsym(library, operation->symbol);
                if (found == nullptr) throw Error("{} has no {}", path, operation->symbol);
                *operation->function = found;
            }
        } catch (...) {
            ::dlclose(library);
            throw;
        }
        handle = library;
    }
    call("init");
}

void Stock::unload() {
    if (handle != nullptr) call("fini");
}

}  // namespace holon::shadow

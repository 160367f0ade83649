// SPDX-License-Identifier: GPL-2.0-or-later
#include <algorithm>
#include <cctype>

#include "plugins/os/error.h"
#include "plugins/spec/spec.h"

namespace holon::spec {
namespace {

constexpr std::string_view option_prefix = "_SLURM_SPANK_OPTION_holon_";

std::string_view without_spank(std::string_view entry) {
    if (entry.starts_with("SPANK_")) entry.remove_prefix(6);
    return entry;
}

std::string in_environment(std::string_view option) {
    std::string out(option);
    for (char& c : out)
        if (std::isalnum(static_cast<unsigned char>(c)) == 0) c = '_';
    return out;
}

std::string printable(std::string_view text) {
    std::string out(text.substr(0, 40));
    for (char& c : out)
        if (static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) >= 0x7f) c = '?';
    return out;
}

}  // namespace

bool read_spank_entry(std::string_view entry, Given& given) {
    entry = without_spank(entry);
    if (!entry.starts_with(option_prefix)) return false;
    entry.remove_prefix(option_prefix.size());
    auto equals = entry.find('=');
    std::string_view name = entry.substr(0, equals);
    std::string_view text = equals == std::string_view::npos ? "" : entry.substr(equals + 1);
    const auto& all = options();
    auto option = std::find_if(all.begin(), all.end(),
                               [&](const Option& o) { return in_environment(o.name) == name; });
    if (option == all.end())
        throw Error(
            "{}{}: no option of this Holon; it was made by hand or by another release: remove it "
            "from the environment",
            option_prefix, printable(name));
    // Slurm writes a missing argument through printf: "(null)".
    if (text == "(null)") text = "";
    if (!given.emplace(option->name, std::string(text)).second)
        throw Error("--{}: given twice in the job's environment; give it once", option->name);
    return true;
}

bool is_holon_entry(std::string_view entry) {
    entry = without_spank(entry);
    return entry.starts_with(option_prefix) || entry.substr(0, entry.find('=')) == spec_variable;
}

}  // namespace holon::spec

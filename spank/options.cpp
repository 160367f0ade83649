// SPDX-License-Identifier: GPL-2.0-or-later
#include <string>
#include <string_view>

#include "spank/contexts.h"

namespace holon::spank {
namespace {

spec::Given& mutable_given() {
    static spec::Given given;
    return given;
}

// Slurm passes no argument as a null pointer, as "", or (from an environment variable it made) as
// "(null)".
std::string text_of(const char* argument) {
    std::string_view text = argument != nullptr ? argument : "";
    return text == "(null)" ? std::string() : std::string(text);
}

int option_given(int index, const char* argument, int remote) noexcept {
    try {
        const auto& option = spec::options().at(static_cast<std::size_t>(index));
        std::string text = text_of(argument);
        if (remote == 0) {
            if (auto wrong = spec::check_option(option.name, text)) refuse(*wrong);
        }
        mutable_given()[option.name] = text;
        return 0;
    } catch (...) {
        return remote == 0 ? -1 : 0;
    }
}

}  // namespace

void register_options(spank_t sp) {
    int index = 0;
    for (const auto& option : spec::options()) {
        // Slurm copies all of it. "--vm-cluster=[N]" is how it shows an optional argument.
        std::string argument = option.arg != nullptr ? option.arg : "";
        if (option.arg_optional) argument = "[" + argument + "]";
        spank_option registered{};
        registered.name = const_cast<char*>(option.name);
        registered.arginfo = option.arg != nullptr ? argument.data() : nullptr;
        registered.usage = const_cast<char*>(option.usage);
        registered.has_arg = option.arg == nullptr ? 0 : option.arg_optional ? 2 : 1;
        registered.val = index++;
        registered.cb = option_given;
        if (spank_option_register(sp, &registered) != ESPANK_SUCCESS)
            slurm_error("holon: --%s could not be registered", option.name);
    }
}

const spec::Given& given() { return mutable_given(); }

}  // namespace holon::spank

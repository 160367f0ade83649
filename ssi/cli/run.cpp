// SPDX-License-Identifier: GPL-2.0-or-later
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <iostream>

#include "plugins/os/error.h"
#include "ssi/cli/command.h"
#include "ssi/enter/enter.h"
#include "ssi/runtime/parameters.h"

namespace holon::ssi::cli {
namespace {

constexpr char help[] =
    "usage: ssi run [--spread | --home] PROGRAM [ARGUMENTS…]\n\n"
    "Runs the program, and all that it starts, on the virtual machine: it begins here, and its\n"
    "threads use the CPUs of all nodes. Exit status and signals are the program's own. Programs\n"
    "cannot gain privileges by set-uid.\n\n"
    "  --spread   place threads round-robin over all CPUs, whatever the load\n"
    "  --home     never leave this node\n";

// As a shell has it: 127 not found, 126 found but not executable.
constexpr int exit_not_found = 127, exit_not_executable = 126;

struct Options {
    std::uint32_t flags = 0;
    std::size_t program = 0;  // index of its name
    bool help = false;
};

Options parse(const Arguments& arguments) {
    Options options;
    for (; options.program < arguments.size(); ++options.program) {
        const std::string& word = arguments[options.program];
        if (word.empty() || word.front() != '-') break;
        if (word == "--") {
            ++options.program;
            break;
        }
        if (word == "--spread")
            options.flags |= Parameters::spread;
        else if (word == "--home")
            options.flags |= Parameters::home_only;
        else if (word == "--trace")
            options.flags |= Parameters::trace;
        else if (word == "--no-migratory")
            options.flags |= Parameters::no_migratory;
        else if (word == "--help" || word == "-h")
            options.help = true;
        else
            throw UsageError("run", fmt::format("no option {}", word));
    }
    if (options.help) return options;
    if (constexpr auto both = Parameters::spread | Parameters::home_only;
        (options.flags & both) == both)
        throw UsageError("run", "either --spread or --home");
    if (options.program == arguments.size()) throw UsageError("run", "no program is named");
    return options;
}

}  // namespace

int run(const Arguments& arguments) {
    const Options options = parse(arguments);
    if (options.help) {
        std::cout << help;
        return 0;
    }
    try {
        enter::enter(partition(), options.flags);
    } catch (const std::exception& error) {
        throw Error("run: {}", error.what());
    }
    std::vector<char*> words;
    for (std::size_t i = options.program; i < arguments.size(); ++i)
        words.push_back(const_cast<char*>(arguments[i].c_str()));
    words.push_back(nullptr);
    ::execvp(words[0], words.data());
    const int error = errno;
    std::cerr << "ssi: run: " << words[0] << ": " << errno_text(error) << '\n';
    return error == ENOENT ? exit_not_found : exit_not_executable;
}

}  // namespace holon::ssi::cli

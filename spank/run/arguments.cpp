// SPDX-License-Identifier: GPL-2.0-or-later
#include "spank/run/arguments.h"

#include <charconv>
#include <string_view>

#include "paths.h"
#include "plugins/os/error.h"

namespace holon::run {

const char* const usage =
    "usage: holon-run --job ID --step batch|interactive|N [--task N] [--local-task N]\n"
    "                 [--local-tasks N] [--socket PATH] -- PROGRAM [ARGUMENT...]\n"
    "\n"
    "Internal to Holon. Slurm's task launcher starts it in place of a program whose job runs in\n"
    "virtual machines; it waits for them and runs the program there, as srun and sbatch would.\n"
    "See holon(1) for the command that is meant for people.\n";

namespace {

std::uint32_t number(std::string_view option, std::string_view text) {
    std::uint32_t value = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size())
        throw Error("{}: '{}' is not a number", option, text);
    return value;
}

}  // namespace

Arguments parse_arguments(int count, char** values) {
    Arguments arguments;
    arguments.socket = paths::socket;
    int i = 1;
    for (; i < count; ++i) {
        std::string_view option = values[i];
        if (option == "--") break;
        if (option == "--help" || option == "-h") {
            arguments.help = true;
            return arguments;
        }
        if (i + 1 >= count) throw Error("{}: a value is missing", option);
        std::string_view value = values[++i];
        if (option == "--socket")
            arguments.socket = value;
        else if (option == "--job")
            arguments.job = number(option, value);
        else if (option == "--step")
            arguments.step = value;
        else if (option == "--task")
            arguments.task = number(option, value);
        else if (option == "--local-task")
            arguments.local_task = number(option, value);
        else if (option == "--local-tasks")
            arguments.local_tasks = number(option, value);
        else
            throw Error("{}: not known", option);
    }
    for (++i; i < count; ++i) arguments.program.emplace_back(values[i]);
    if (arguments.job == 0) throw Error("--job is missing");
    if (arguments.step.empty()) throw Error("--step is missing");
    if (arguments.program.empty()) throw Error("no program was named");
    return arguments;
}

}  // namespace holon::run

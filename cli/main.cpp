// SPDX-License-Identifier: GPL-2.0-or-later
// holon: what users and administrators see of their VMs from the command line.
#include <fmt/format.h>

#include <iostream>
#include <string_view>

#include "cli/command.h"
#include "plugins/os/error.h"

namespace holon::cli {
namespace {

struct Entry {
    const char* name;
    const char* summary;
    int (*run)(const Arguments&);
};
constexpr Entry commands[] = {
    {"status", "your VMs: job, node, size, state, uptime, address (also: holon ps)", status},
    {"console", "what a VM wrote to its console, and goes on writing", console},
    {"usage", "what the VMs of a job have used, also when it has ended", usage},
    {"top", "what goes on in the virtual SMP of a job", top},
    {"checkpoint", "save a running job; list, show, verify and remove what was saved", checkpoint},
    {"image", "list, build, import, inspect and remove images", image},
    {"place", "which nodes a VM job would get, and why", place},
    {"migrate", "move VMs of a running job to another of its nodes", migrate},
    {"drain", "empty a node of its VM jobs: save and requeue them (root)", drain},
    {"doctor", "check this host, and say how to mend what is wrong", doctor},
};

const Entry* find(std::string_view name) {
    if (name == "ps") name = "status";
    for (const Entry& entry : commands)
        if (name == entry.name) return &entry;
    return nullptr;
}

void print_help() {
    std::cout
        << "usage: holon COMMAND [OPTIONS]\n\n"
           "Virtual clusters inside Slurm jobs. A job asks for one with the --vm-* options of "
           "sbatch, salloc and\n"
           "srun (srun --help lists them under [vm]); this command shows and looks after what is "
           "running.\n\n"
           "    $ sbatch --vm-cluster -N3 --ntasks-per-node=2 hello.sh    hello.sh runs in vm0\n"
           "    $ srun --vm-cluster -N3 hostname                          prints vm0 vm1 vm2\n"
           "    $ holon status                                            what is running where\n"
           "    $ holon console vm1 -f                                    watch vm1 boot\n\n"
           "Commands:\n";
    for (const Entry& entry : commands) fmt::print("  {:10} {}\n", entry.name, entry.summary);
    fmt::print("  {:10} {}\n  {:10} {}\n", "version", "the version of this command", "help",
               "this text, or a command's: holon help status");
    std::cout << "\nManual pages: holon(1), holon.yaml(5), holond(8).\n";
}

int dispatch(Arguments arguments) {
    const std::string name = arguments.empty() ? "" : arguments.front();
    if (name.empty()) {
        print_help();
        return exit_usage;
    }
    arguments.erase(arguments.begin());
    if (name == "version" || name == "--version" || name == "-V") {
        std::cout << "holon " HOLON_VERSION "\n";
        return exit_good;
    }
    if (name == "--help" || name == "-h" || (name == "help" && arguments.empty())) {
        print_help();
        return exit_good;
    }
    if (name == "help") {
        if (const Entry* entry = find(arguments.front())) return entry->run({"--help"});
        std::cerr << "holon help: no command '" << arguments.front() << "'; see holon help\n";
        return exit_usage;
    }
    if (const Entry* entry = find(name)) return entry->run(arguments);
    std::cerr
        << "holon: no command '" << name
        << "'; there are status, console, usage, top, checkpoint, image, place, migrate, drain, "
           "doctor, version "
           "and help\n";
    return exit_usage;
}

}  // namespace
}  // namespace holon::cli

int main(int argc, char** argv) {
    const std::string name = argc > 1 ? argv[1] : "";
    try {
        return holon::cli::dispatch({argv + 1, argv + argc});
    } catch (const std::exception& error) {
        std::cout.flush();
        std::cerr << "holon " << name << ": " << error.what() << '\n';
        return holon::cli::exit_failed;
    }
}

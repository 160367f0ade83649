// SPDX-License-Identifier: GPL-2.0-or-later
// ssi: run programs over the nodes of a virtual SMP, and look at it.
#include <fmt/format.h>

#include <cstdlib>
#include <iostream>
#include <string_view>

#include "plugins/os/error.h"
#include "ssi/cli/command.h"
#include "ssi/daemon/client.h"
#include "ssi/enter/enter.h"

namespace holon::ssi::cli {
namespace {

constexpr char help[] =
    "usage: ssi COMMAND [OPTIONS]\n\n"
    "One virtual machine over several Linux nodes: unmodified programs whose threads run on all "
    "of\n"
    "them. The nodes are joined by ssid (ssid --help).\n\n"
    "    $ ssi run ./program      its threads use the CPUs of all nodes\n"
    "    $ ssi run bash           all that is started from this shell does\n"
    "    $ ssi nodes              the nodes and their CPUs\n"
    "    $ ssi ps                 the programs, their threads, and why one stays at home\n"
    "    $ ssi top                what they do: hot pages, faults, calls, CPU of each node\n"
    "    $ ssi profile ./program  runs it, and says where its time went\n\n"
    "Commands:\n"
    "  run       run a program\n"
    "  nodes     list the nodes\n"
    "  ps        list the processes\n"
    "  top       watch the processes\n"
    "  profile   run a program and report on it\n"
    "  move      move threads to a node\n"
    "  version   the version of this command\n"
    "  help      this text, or a command's: ssi run --help\n\n"
    "SSI_PARTITION names the partition where a node is in more than one.\n";

struct Entry {
    std::string_view name;
    int (*run)(const Arguments&);
};
constexpr Entry commands[] = {{"run", run}, {"nodes", nodes},     {"ps", ps},
                              {"top", top}, {"profile", profile}, {"move", move}};

int dispatch(Arguments arguments) {
    const std::string name = arguments.empty() ? "" : arguments.front();
    if (name.empty()) {
        std::cerr << help;
        return exit_usage;
    }
    arguments.erase(arguments.begin());
    if (name == "version" || name == "--version") {
        std::cout << "ssi " HOLON_VERSION "\n";
        return 0;
    }
    const bool wants_help = name == "help" || name == "--help" || name == "-h";
    if (wants_help && arguments.empty()) {
        std::cout << help;
        return 0;
    }
    for (const Entry& entry : commands) {
        if (name == entry.name) return entry.run(arguments);
        if (wants_help && arguments.front() == entry.name) return entry.run({"--help"});
    }
    std::cerr << "ssi: no command '" << (wants_help ? arguments.front() : name)
              << "'; there are run, nodes, ps, top, profile, move, version and help\n";
    return exit_usage;
}

}  // namespace

std::string partition() {
    const char* given = std::getenv("SSI_PARTITION");
    return given != nullptr ? given : daemon::default_partition;
}

os::Fd connect_to_daemon() { return enter::connect_to_daemon(partition()); }

}  // namespace holon::ssi::cli

int main(int argc, char** argv) {
    try {
        return holon::ssi::cli::dispatch({argv + 1, argv + argc});
    } catch (const holon::ssi::cli::UsageError& error) {
        std::cerr << "ssi: " << error.what() << '\n';
        return holon::ssi::cli::exit_usage;
    } catch (const std::exception& error) {
        std::cout.flush();
        std::cerr << "ssi: " << error.what() << '\n';
        return holon::ssi::cli::exit_failed;
    }
}

// SPDX-License-Identifier: GPL-2.0-or-later
#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <iostream>

#include "plugins/os/error.h"
#include "ssi/cli/command.h"
#include "ssi/daemon/client.h"
#include "ssi/daemon/socket.h"
#include "ssi/inject/filter.h"
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

// Where the daemon puts the views of /proc and /sys. Only root can have it; other users have what
// they were started in.
void own_mounts() {
    if (::geteuid() == 0 && ::unshare(CLONE_NEWNS) == 0)
        ::mount("none", "/", nullptr, MS_REC | MS_SLAVE, nullptr);
}

void hand_over(const os::Fd& daemon, const os::Fd& listener, std::uint32_t flags) {
    const daemon::ClientMessage message{.request = daemon::ClientRequest::run, .flags = flags};
    daemon::ClientAnswer answer{};
    if (!daemon::send_packet(daemon.get(),
                             {reinterpret_cast<const char*>(&message), sizeof message},
                             listener.get()))
        throw Error("run: ssid is gone");
    const auto packet = daemon::receive_packet(daemon.get(), sizeof answer);
    if (!packet || packet->bytes.size() != sizeof answer) throw Error("run: ssid is gone");
    std::memcpy(&answer, packet->bytes.data(), sizeof answer);
    const std::string text(answer.text, ::strnlen(answer.text, sizeof answer.text));
    if (answer.good != 1) throw Error("run: {}", text);
    // It is mapped with the rights of the program: without them all would run at home, unexplained.
    if (!os::Fd(::open(text.c_str(), O_RDONLY | O_CLOEXEC)).valid())
        throw Error("run: {}: {}: install ssi-runtime where every user can read it", text,
                    errno_text());
}

}  // namespace

int run(const Arguments& arguments) {
    const Options options = parse(arguments);
    if (options.help) {
        std::cout << help;
        return 0;
    }
    {
        const os::Fd daemon = connect_to_daemon();
        const os::Fd listener =
            inject::install_filter((options.flags & Parameters::home_only) == 0);
        // Without one this is a program of an outer `ssi run`, and what it starts is too.
        if (listener.valid() && (options.flags & Parameters::home_only) == 0) own_mounts();
        if (listener.valid()) hand_over(daemon, listener, options.flags);
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

// SPDX-License-Identifier: GPL-2.0-or-later
//
// ssi profile: runs a program and says at its end where its time went.
#include <fmt/format.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <iostream>

#include "plugins/os/error.h"
#include "ssi/cli/command.h"
#include "ssi/cli/recorded.h"

namespace holon::ssi::cli {
namespace {

constexpr char help[] =
    "usage: ssi profile [--spread] [--json] [--output FILE] [--trace FILE] PROGRAM [ARGUMENTS…]\n\n"
    "Runs the program as ssi run does, and reports at its end on each of its processes that had\n"
    "threads: CPU time of each node, time that threads waited for pages and in forwarded calls, "
    "the\n"
    "hottest pages with what lies there, calls by name, what never-worse decided, and why a "
    "process\n"
    "stayed at home. The exit status is the program's.\n\n"
    "  --spread       as in ssi run\n"
    "  --json         the report as JSON\n"
    "  --output FILE  the report goes there; without it to the standard error\n"
    "  --trace FILE   every fault, call, recall and move as an event of the Trace Event Format, "
    "for\n"
    "                 ui.perfetto.dev or chrome://tracing\n"
    "  --pages N      how many pages of each process, 10 if not given\n";

struct Options {
    bool help = false, spread = false, json = false;
    std::string output, trace;
    std::size_t pages = 10;
    std::size_t program = 0;  // index of its name
};

Options parse(const Arguments& arguments) {
    Options options;
    for (std::size_t i = 0; i < arguments.size(); ++i) {
        const std::string& word = arguments[i];
        const auto value = [&]() -> const std::string& {
            if (i + 1 == arguments.size())
                throw UsageError("profile", fmt::format("{} needs a value", word));
            return arguments[++i];
        };
        options.program = i + 1;
        if (word == "--") return options;
        if (word == "--help" || word == "-h") {
            options.help = true;
        } else if (word == "--spread") {
            options.spread = true;
        } else if (word == "--json") {
            options.json = true;
        } else if (word == "--output" || word == "-o") {
            options.output = value();
        } else if (word == "--trace") {
            options.trace = value();
        } else if (word == "--pages") {
            const std::string& text = value();
            if (text.empty() || text.size() > 5 ||
                text.find_first_not_of("0123456789") != std::string::npos)
                throw UsageError("profile", fmt::format("'{}' is not a number of pages", text));
            options.pages = std::stoul(text);
        } else if (word.starts_with('-')) {
            throw UsageError("profile", fmt::format("no option {}", word));
        } else {
            options.program = i;
            return options;
        }
        options.program = i + 1;
    }
    return options;
}

std::ofstream open_file(const std::string& path) {
    std::ofstream file(path);
    if (!file) throw Error("profile: {}: {}", path, errno_text());
    return file;
}

// The exit status of the program, as a shell has it.
int run_to_end(const Arguments& arguments, bool spread) {
    Arguments words;
    if (spread) words.push_back("--spread");
    words.push_back("--");
    words.insert(words.end(), arguments.begin(), arguments.end());
    // Its daemons stay below this process, by which ssid knows whom to record.
    ::prctl(PR_SET_CHILD_SUBREAPER, 1);
    const pid_t child = ::fork();
    if (child < 0) throw Error("profile: no process: {}", errno_text());
    if (child == 0) {
        int status = exit_failed;
        try {
            status = run(words);
        } catch (const std::exception& error) {
            std::cerr << "ssi: " << error.what() << '\n';
        }
        std::cerr.flush();
        ::_exit(status);
    }
    // ^C is for the program; what it has done is reported.
    ::signal(SIGINT, SIG_IGN);
    ::signal(SIGQUIT, SIG_IGN);
    int status = 0;
    for (pid_t ended; (ended = ::waitpid(-1, &status, 0)) != child;)
        if (ended < 0 && errno != EINTR) throw Error("profile: {}", errno_text());
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

struct Program {
    Json entry;
    os::Fd memory;
    std::shared_ptr<const Recording> recording;
};

std::vector<Program> collect(const os::Fd& daemon) {
    send(daemon, {.request = daemon::ClientRequest::profile});
    std::vector<Program> programs;
    while (auto part = next_part(daemon)) {
        auto recording = read_recording(part->fd);
        programs.push_back({std::move(part->json), std::move(part->fd), std::move(recording)});
    }
    return programs;
}

std::string percent(double part, double whole) {
    return whole > 0 ? fmt::format("{:.0f}%", part / whole * 100) : "-";
}

std::string text_of(const Json& program) {
    const double time = program.value("seconds", 0.0);
    std::string text = fmt::format("\n{} (pid {}): observed {:.3f} s\n",
                                   program.value("program", ""), program.value("pid", 0), time);
    const std::string pinned = program.value("pinned", "");
    if (program.contains("taken_home_after"))
        text += fmt::format("  taken home after {:.3f} s: {}\n",
                            program.value("taken_home_after", 0.0), pinned);
    else if (!pinned.empty())
        text += fmt::format("  stayed at home: {}\n", pinned);
    for (const Json& node : program["cpu"])
        text +=
            fmt::format("  CPU time on node {}: {:.3f} s ({} of a CPU)\n", node.value("node", 0),
                        node.value("seconds", 0.0), percent(node.value("seconds", 0.0), time));
    text += fmt::format(
        "  waited for pages: {:.3f} s in {} faults; {:.1f} MB sent, {} of {} pages "
        "sent ahead were used\n",
        program.value("fault_seconds", 0.0), program.value("faults", 0UL),
        program.value("bytes_sent", 0.0) / 1e6, program.value("pages_sent_ahead_and_used", 0UL),
        program.value("pages_sent_ahead", 0UL));
    text += fmt::format("  in forwarded calls: {:.3f} s in {} calls, waiting included\n",
                        program.value("call_seconds", 0.0), program.value("calls", 0UL));
    const Json& judged = program["never_worse"];
    text += fmt::format("  never-worse: {} of {} tenths of a second cost too much\n",
                        judged.value("bad", 0UL), judged.value("windows", 0UL));
    const auto add = [&](const std::string& part) {
        if (!part.empty()) text += '\n' + part;
    };
    add(threads_table({program}, 0));
    add(pages_table({program}, 0));
    add(sharing_lines({program}));
    std::vector<Row> calls{{"CALL", "COUNT", "SECONDS"}};
    for (const Json& call : program["calls_by_name"])
        calls.push_back({call.value("name", ""), std::to_string(call.value("count", 0UL)),
                         fmt::format("{:.3f}", call.value("seconds", 0.0))});
    if (calls.size() > 1) add(table(calls));
    return text;
}

// All of it once the program has ended.
void report(const std::vector<Program>& programs, const Options& options, double elapsed,
            std::ostream& out) {
    std::vector<Json> list;
    for (const Program& program : programs) {
        Json entry = program.entry;
        entry.erase("away");
        entry.update(describe(*program.recording, nullptr, options.pages));
        list.push_back(std::move(entry));
    }
    if (options.json) {
        out << Json{{"seconds", elapsed}, {"processes", list}}.dump(2, ' ', false,
                                                                    Json::error_handler_t::replace)
            << '\n';
        return;
    }
    out << fmt::format("ssi: profile: {:.3f} s\n", elapsed);
    if (list.empty()) out << "no process had threads: all ran on this node alone\n";
    for (const Json& program : list) out << text_of(program);
}

void write_trace(const std::vector<Program>& programs, std::ostream& out) {
    std::uint64_t origin = ~std::uint64_t{0};
    for (const Program& program : programs)
        if (program.recording->began != 0) origin = std::min(origin, program.recording->began);
    std::uint64_t lost = 0;
    out << "{\"traceEvents\":[\n";
    for (const Program& program : programs) {
        if (program.recording->magic == 0) continue;
        write_events(out, program.memory, *program.recording, program.entry.value("program", ""),
                     origin);
        lost += program.recording->lost_events;
    }
    // An element without a comma.
    out << "{\"name\":\"end\",\"ph\":\"M\",\"pid\":0}],\"displayTimeUnit\":\"ns\"}\n";
    if (lost != 0)
        std::cerr << "ssi: profile: the trace has the first " << recording::max_events
                  << " events of each process; " << lost << " more were not kept\n";
}

}  // namespace

int profile(const Arguments& arguments) {
    const Options options = parse(arguments);
    if (options.help) {
        std::cout << help;
        return 0;
    }
    if (options.program >= arguments.size()) throw UsageError("profile", "no program is named");
    std::ofstream output, trace;
    if (!options.output.empty()) output = open_file(options.output);
    if (!options.trace.empty()) trace = open_file(options.trace);
    const os::Fd daemon = connect_to_daemon();
    send(daemon, {.request = daemon::ClientRequest::profile});
    if (!next_part(daemon)) throw Error("ssid is gone");
    const auto began = std::chrono::steady_clock::now();
    const int status = run_to_end(
        {arguments.begin() + static_cast<std::ptrdiff_t>(options.program), arguments.end()},
        options.spread);
    const double elapsed =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count();
    const std::vector<Program> programs = collect(daemon);
    report(programs, options, elapsed, options.output.empty() ? std::cerr : output);
    if (!options.trace.empty()) write_trace(programs, trace);
    if (output.is_open() && !output.flush())
        throw Error("profile: {}: cannot be written", options.output);
    if (trace.is_open() && !trace.flush())
        throw Error("profile: {}: cannot be written", options.trace);
    return status;
}

}  // namespace holon::ssi::cli

// SPDX-License-Identifier: GPL-2.0-or-later
//
// ssi top: what programs do, once or again and again.
#include <fmt/format.h>

#include <charconv>
#include <chrono>
#include <iostream>
#include <map>
#include <thread>

#include "plugins/os/error.h"
#include "ssi/cli/command.h"
#include "ssi/cli/recorded.h"

namespace holon::ssi::cli {
namespace {

constexpr char help[] =
    "usage: ssi top [--once] [--json] [--interval SECONDS] [--pages N] [PID…]\n\n"
    "What your programs with threads on several nodes do (all users' programs, for root): CPU "
    "time\n"
    "of each node, page faults and forwarded calls of each thread, the hottest pages with what "
    "lies\n"
    "there, and pages that threads of different nodes write: false sharing, where none of them\n"
    "writes what another does. Rates are those of the last interval. Ends with ^C.\n\n"
    "  --once              show one interval, and end\n"
    "  --json              the same as JSON, a list of programs for each interval\n"
    "  --interval SECONDS  0.1 to 10, 1 if not given\n"
    "  --pages N           how many pages of each program, 10 if not given\n";

struct Options {
    bool once = false, json = false, help = false;
    double interval = 1;
    std::size_t pages = 10;
    std::vector<std::int32_t> pids;
};

template <class Number>
Number number_of(const std::string& text, const char* what, Number least, Number most) {
    Number number{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || end != text.data() + text.size() || !(number >= least) ||
        !(number <= most))
        throw UsageError("top",
                         fmt::format("'{}' is not {} from {} to {}", text, what, least, most));
    return number;
}

Options parse(const Arguments& arguments) {
    Options options;
    for (std::size_t i = 0; i < arguments.size(); ++i) {
        const std::string& word = arguments[i];
        const auto value = [&]() -> const std::string& {
            if (i + 1 == arguments.size())
                throw UsageError("top", fmt::format("{} needs a number", word));
            return arguments[++i];
        };
        if (word == "--once")
            options.once = true;
        else if (word == "--json")
            options.json = true;
        else if (word == "--interval")
            options.interval = number_of(value(), "a time", 0.1, 10.0);
        else if (word == "--pages")
            options.pages = number_of<std::size_t>(value(), "a number", 0, 10'000);
        else if (word == "--help" || word == "-h")
            options.help = true;
        else if (word.starts_with('-'))
            throw UsageError("top", fmt::format("no option {}", word));
        else
            options.pids.push_back(number_of(word, "a process", 1, 1 << 22));
    }
    return options;
}

struct Program {
    Json entry;  // as the daemon has it
    std::shared_ptr<const Recording> recording;
};

std::map<std::int32_t, Program> look(const Options& options) {
    const os::Fd daemon = connect_to_daemon();
    send(daemon, {.request = daemon::ClientRequest::observe});
    std::map<std::int32_t, Program> programs;
    while (auto part = next_part(daemon)) {
        const auto pid = part->json.value("pid", 0);
        if (!options.pids.empty() &&
            std::find(options.pids.begin(), options.pids.end(), pid) == options.pids.end())
            continue;
        programs[pid] = {std::move(part->json), read_recording(part->fd)};
    }
    for (const std::int32_t pid : options.pids)
        if (!programs.contains(pid))
            throw Error("top: no process {} of yours has threads on several nodes; see ssi ps",
                        pid);
    return programs;
}

std::vector<Json> compare(const std::map<std::int32_t, Program>& before,
                          const std::map<std::int32_t, Program>& now, std::size_t pages) {
    std::vector<Json> list;
    for (const auto& [pid, program] : now) {
        const auto found = before.find(pid);
        Json entry = program.entry;
        // One that came in between has all that it did in this interval.
        entry.update(describe(*program.recording,
                              found != before.end() ? found->second.recording.get() : nullptr,
                              pages));
        list.push_back(std::move(entry));
    }
    return list;
}

std::string screen(const std::vector<Json>& programs, double time) {
    std::vector<Row> rows{
        {"PID", "USER", "PROGRAM", "AWAY", "CPU", "FAULTS/s", "CALLS/s", "MB/s", "PINNED"}};
    for (const Json& program : programs) {
        std::string cpu;
        for (const Json& node : program["cpu"])
            cpu += fmt::format("{}{:.0f}%", cpu.empty() ? "" : " + ",
                               node["seconds"].get<double>() / time * 100);
        const auto rate = [&](const char* name) {
            return fmt::format("{:.0f}", program[name].get<double>() / time);
        };
        rows.push_back({std::to_string(program.value("pid", 0)),
                        user_name(program.value("uid", 0U)), program.value("program", ""),
                        std::to_string(program.value("away", 0)), cpu, rate("faults"),
                        rate("calls"),
                        fmt::format("{:.1f}", program["bytes_sent"].get<double>() / time / 1e6),
                        program.value("pinned", "")});
    }
    std::string text =
        programs.empty() ? "no program of yours has threads on several nodes\n" : table(rows);
    for (const std::string& part :
         {threads_table(programs, time), pages_table(programs, time), sharing_lines(programs)})
        if (!part.empty()) text += '\n' + part;
    return text;
}

}  // namespace

int top(const Arguments& arguments) {
    const Options options = parse(arguments);
    if (options.help) {
        std::cout << help;
        return 0;
    }
    using Clock = std::chrono::steady_clock;
    auto before = look(options);
    auto began = Clock::now();
    do {
        std::this_thread::sleep_for(std::chrono::duration<double>(options.interval));
        auto now = look(options);
        const auto end = Clock::now();
        const double time = std::chrono::duration<double>(end - began).count();
        const std::vector<Json> programs = compare(before, now, options.pages);
        if (options.json)
            std::cout << Json(programs).dump(options.once ? 2 : -1, ' ', false,
                                             Json::error_handler_t::replace)
                      << std::endl;
        else
            std::cout << (options.once ? "" : "\033[H\033[2J") << screen(programs, time)
                      << std::flush;
        before = std::move(now);
        began = end;
    } while (!options.once && std::cout);
    return 0;
}

}  // namespace holon::ssi::cli

// SPDX-License-Identifier: GPL-2.0-or-later
// What only a look at all nodes at once can tell: the same release everywhere, and the same time.
#include <unistd.h>

#include <chrono>
#include <cmath>
#include <mutex>
#include <set>
#include <thread>

#include "cli/ask.h"
#include "cli/doctor/check.h"
#include "cli/doctor/nodes.h"
#include "plugins/os/error.h"
#include "plugins/os/file.h"
#include "plugins/os/process.h"
#include "plugins/plan/plan.h"
#include "select/site/snapshot.h"

namespace holon::cli {
namespace {

struct Round {
    std::vector<Answer> answers;
    std::vector<std::string> away;
    std::string error;
};

// Both checks look at one round of questions.
const Round& asked(const Site& site) {
    static Round round;
    static std::once_flag once;
    std::call_once(once, [&] {
        try {
            os::RunOptions options;
            options.env = slurm_environment();
            options.timeout = std::chrono::seconds(15);
            const NodeList nodes =
                parse_sinfo(os::run_checked({"sinfo", "-h", "-N", "-o", "%N %T"}, options));
            round.away = nodes.away;
            round.answers = ask(nodes.up, site.config.rpc.port, {{"op", "ping"}});
        } catch (const Error& error) {
            round.error = error.what();
        }
    });
    return round;
}

std::string away_text(const Round& round) {
    if (round.away.empty()) return "";
    return fmt::format("; not checked, for Slurm has them down: {}",
                       plan::compress_hostlist(round.away));
}

Finding versions(const Site& site) {
    const Round& round = asked(site);
    if (!round.error.empty()) return not_checked(round.error);
    if (round.answers.empty()) return not_checked("no node is up" + away_text(round));
    std::vector<std::string> silent, other;
    std::string why, version;
    for (const Answer& answer : round.answers) {
        if (!answer.error.empty()) {
            silent.push_back(answer.node);
            why = answer.error;
        } else if (answer.reply.value("version", "?") != HOLON_VERSION) {
            other.push_back(answer.node);
            version = answer.reply.value("version", "?");
        }
    }
    if (!silent.empty())
        return bad(
            fmt::format("{} of {} nodes do not answer: {} ({}){}", silent.size(),
                        round.answers.size(), plan::compress_hostlist(silent), why,
                        away_text(round)),
            fmt::format(
                "start holond there, and let TCP {} through; holon doctor on the node tells more",
                site.config.rpc.port));
    if (!other.empty())
        return bad(fmt::format("{}: holond {}, this host has " HOLON_VERSION,
                               plan::compress_hostlist(other), version),
                   "install the same release everywhere and restart holond");
    return good(fmt::format("holond " HOLON_VERSION " answers on {} node{}{}", round.answers.size(),
                            round.answers.size() == 1 ? "" : "s", away_text(round)));
}

// What slurmctld's plugins know of the nodes: the file that holond --controller writes.
Finding capabilities(const Site& site) {
    const auto file = site.config.controller.state_dir / holon::site::snapshot_name;
    const char* const start =
        "systemctl enable --now holond-controller; until then VM jobs are placed as Slurm itself "
        "does";
    const auto text = os::read_file_if_exists(file);
    if (!text) return bad(file.string() + " is not there", start);
    holon::site::Snapshot snapshot;
    try {
        snapshot = holon::site::parse_snapshot(*text);
    } catch (const Error& error) {
        return bad(fmt::format("{}: {}", file.string(), error.what()),
                   "remove it; holond --controller writes it anew");
    }
    const std::int64_t age = std::chrono::duration_cast<std::chrono::seconds>(
                                 std::chrono::system_clock::now().time_since_epoch())
                                 .count() -
                             snapshot.time;
    if (age > 6 * std::int64_t{site.config.controller.heartbeat_s})
        return bad(fmt::format("{} was written {} s ago", file.string(), age), start);
    std::vector<std::string> broken;
    std::string why;
    for (const auto& node : snapshot.nodes)
        if (!node.healthy) {
            broken.push_back(node.name);
            why = node.reason;
        }
    if (!broken.empty())
        return warn(fmt::format("{} of {} nodes get no VM jobs: {} ({})", broken.size(),
                                snapshot.nodes.size(), plan::compress_hostlist(broken), why),
                    "holon doctor there tells more; scontrol show node has the reason of each");
    return good(fmt::format("{} node{} can host VMs, {} checkpoint{}", snapshot.nodes.size(),
                            snapshot.nodes.size() == 1 ? "" : "s", snapshot.checkpoints.size(),
                            snapshot.checkpoints.size() == 1 ? "" : "s"));
}

// MUNGE refuses credentials that are 5 minutes off; long before that, logs and file times mislead.
Finding clocks(const Site& site) {
    const Round& round = asked(site);
    if (!round.error.empty()) return not_checked(round.error);
    std::int64_t worst = 0;
    std::string where;
    std::size_t known = 0;
    for (const Answer& answer : round.answers) {
        const auto skew = clock_skew_ns(answer);
        if (!skew) continue;
        ++known;
        if (where.empty() || std::llabs(*skew) > std::llabs(worst)) {
            worst = *skew;
            where = answer.node;
        }
    }
    if (known == 0) return not_checked("no node has answered");
    const std::string seen =
        fmt::format("{} is {:.1f} s {}; the largest difference of {} node{}", where,
                    static_cast<double>(std::llabs(worst)) / 1e9, worst < 0 ? "behind" : "ahead",
                    known, known == 1 ? "" : "s");
    if (std::llabs(worst) >= 30'000'000'000)
        return bad(seen, "set the clocks by NTP; MUNGE refuses hosts that are minutes apart");
    if (std::llabs(worst) >= 1'000'000'000) return warn(seen, "set the clocks by NTP");
    return good(fmt::format("the clocks of {} node{} agree within {:.1f} s", known,
                            known == 1 ? "" : "s",
                            std::max(0.1, static_cast<double>(std::llabs(worst)) / 1e9)));
}

}  // namespace

std::optional<std::int64_t> clock_skew_ns(const Answer& answer) {
    if (!answer.error.empty() || !answer.reply.contains("time_ns") ||
        !answer.reply["time_ns"].is_number_integer())
        return std::nullopt;
    // The answer was sealed somewhere between the two; inside that span nothing can be told apart.
    const std::int64_t theirs = answer.reply["time_ns"].get<std::int64_t>();
    if (theirs < answer.asked_at_ns) return theirs - answer.asked_at_ns;
    if (theirs > answer.answered_at_ns) return theirs - answer.answered_at_ns;
    return 0;
}

NodeList parse_sinfo(std::string_view text) {
    NodeList nodes;
    std::set<std::string> seen;
    for (const std::string& line : split_list(text, '\n')) {
        const auto words = split_list(line, ' ');
        if (words.size() != 2 || !seen.insert(words[0]).second) continue;
        bool away = words[1].ends_with('*');  // does not answer Slurm
        for (const char* state : {"down", "future", "unknown", "power", "fail"})
            away = away || words[1].starts_with(state);
        away = away ||
               words[1].find_first_of("~#%!") != std::string::npos;  // powered down, or on its way
        (away ? nodes.away : nodes.up).push_back(words[0]);
    }
    return nodes;
}

std::vector<Check> controller_checks() {
    return {
        {"capabilities", on_controller, capabilities},
        {"nodes", on_controller, versions},
        {"clocks", on_controller, clocks},
    };
}

}  // namespace holon::cli

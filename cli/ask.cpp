// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/ask.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <chrono>
#include <climits>
#include <cstdlib>
#include <set>
#include <thread>

#include "plugins/os/error.h"
#include "plugins/os/process.h"
#include "plugins/plan/plan.h"
#include "plugins/rpc/rpc.h"

namespace holon::cli {
namespace {

// A node that is being asked mostly waits; this many at a time go through a thousand nodes in
// seconds.
constexpr std::size_t max_threads = 32;

std::string user_name() {
    try {
        return os::identity_of(::getuid()).name;
    } catch (const Error&) {
        return std::to_string(::getuid());  // squeue takes a uid as well
    }
}

std::int64_t now_ns() {
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::nanoseconds>(now).count();
}

void check_job(const std::string& job) {
    if (job.empty() || job.size() > 32 ||
        job.find_first_not_of("0123456789_+") != std::string::npos)
        throw Error("'{}' is not a job id; give one as squeue shows it: 42 or 42_3", job);
}

}  // namespace

std::vector<RunningJob> parse_squeue(std::string_view text) {
    std::vector<RunningJob> jobs;
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = std::min(text.find('\n', at), text.size());
        const std::string_view line = text.substr(at, end - at);
        at = end + 1;
        RunningJob job;
        const auto [stop, error] = std::from_chars(line.data(), line.data() + line.size(), job.id);
        if (error != std::errc{}) continue;
        std::string_view nodes = line.substr(static_cast<std::size_t>(stop - line.data()));
        const auto blank = [](char c) { return c == ' ' || c == '\r'; };
        while (!nodes.empty() && blank(nodes.front())) nodes.remove_prefix(1);
        while (!nodes.empty() && blank(nodes.back())) nodes.remove_suffix(1);
        job.nodes = plan::expand_hostlist(nodes);
        jobs.push_back(std::move(job));
    }
    return jobs;
}

std::vector<RunningJob> running_jobs(const std::optional<std::string>& job) {
    std::vector<std::string> argv{"squeue", "-h", "-t", "R,CF,CG,S", "-o", "%A %N"};
    if (job) {
        check_job(*job);
        argv.insert(argv.end(), {"-j", *job});
    } else if (::getuid() != 0) {
        argv.insert(argv.end(), {"-u", user_name()});
    }
    os::RunOptions options;
    options.env = slurm_environment();
    options.timeout = std::chrono::seconds(20);
    return parse_squeue(os::run_checked(argv, options));
}

std::string host_name() {
    char name[HOST_NAME_MAX + 1] = {};
    if (::gethostname(name, sizeof name - 1) != 0) throw Error("host name: {}", errno_text());
    return std::string(name).substr(0, std::string(name).find('.'));
}

std::vector<std::string> nodes_of(const std::vector<RunningJob>& jobs) {
    std::vector<std::string> nodes;
    std::set<std::string> seen;
    for (const RunningJob& job : jobs)
        for (const std::string& node : job.nodes)
            if (seen.insert(node).second) nodes.push_back(node);
    return nodes;
}

std::vector<Answer> ask(const std::vector<std::string>& nodes, std::uint16_t port,
                        const nlohmann::json& request) {
    std::vector<Answer> answers(nodes.size());
    const std::string here = host_name();
    std::atomic<std::size_t> next{0};
    const auto work = [&] {
        for (std::size_t i; (i = next++) < nodes.size();) {
            answers[i].node = nodes[i];
            try {
                auto client =
                    nodes[i] == here ? rpc::Client::local() : rpc::Client::remote(nodes[i], port);
                answers[i].asked_at_ns = now_ns();
                answers[i].reply = client.call(request);
                answers[i].answered_at_ns = now_ns();
            } catch (const std::exception& error) {
                answers[i].error = error.what();
            }
        }
    };
    std::vector<std::jthread> threads;
    for (std::size_t i = 0; i < std::min(max_threads, nodes.size()); ++i)
        threads.emplace_back(work);
    threads.clear();  // joins
    return answers;
}

}  // namespace holon::cli

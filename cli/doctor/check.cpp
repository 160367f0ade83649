// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/doctor/check.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "cli/table.h"
#include "plugins/os/error.h"
#include "plugins/os/fd.h"
#include "plugins/os/file.h"

namespace holon::cli {

Finding good(std::string seen) { return {Verdict::ok, std::move(seen), {}}; }
Finding warn(std::string seen, std::string mend) {
    return {Verdict::warning, std::move(seen), std::move(mend)};
}
Finding bad(std::string seen, std::string mend) {
    return {Verdict::failure, std::move(seen), std::move(mend)};
}
Finding not_checked(std::string why) { return {Verdict::not_checked, std::move(why), {}}; }

std::vector<Check> all_checks() {
    std::vector<Check> all;
    for (const auto& some : {host_checks(), slurm_checks(), node_checks(), controller_checks()})
        all.insert(all.end(), some.begin(), some.end());
    return all;
}

Result make(const Check& check, const Site& site) {
    try {
        return {check.name, check.look(site)};
    } catch (const std::exception& error) {
        return {check.name, bad(error.what(), {})};
    }
}

std::string to_text(const std::vector<Result>& results) {
    std::size_t width = 0;
    for (const Result& result : results) width = std::max(width, result.name.size());
    std::string text;
    for (const Result& result : results) {
        const char* word = "ok";
        if (result.finding.verdict == Verdict::warning) word = "warn";
        if (result.finding.verdict == Verdict::failure) word = "FAIL";
        const bool made = result.finding.verdict != Verdict::not_checked;
        text += fmt::format("{:5} {:{}}  {}{}\n", made ? word : "-", result.name, width,
                            made ? "" : "not checked: ", printable(result.finding.seen));
        if (!result.finding.mend.empty())
            text += fmt::format("{:{}}→ {}\n", "", width + 8, printable(result.finding.mend));
    }
    return text;
}

std::string in_child(const std::function<std::string()>& work, std::chrono::seconds timeout) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) throw Error("pipe: {}", errno_text());
    os::Fd from_child(ends[0]), to_parent(ends[1]);
    const pid_t child = ::fork();
    if (child < 0) throw Error("fork: {}", errno_text());
    if (child == 0) {
        std::string text;
        try {
            text = "+" + work();
        } catch (const std::exception& error) {
            text = std::string("-") + error.what();
        }
        os::write_all(to_parent.get(), text.data(), text.size());
        ::_exit(0);
    }
    to_parent.reset();
    std::string text;
    bool ended = false;
    const auto deadline = std::chrono::steady_clock::now() + timeout;
    while (!ended) {
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
            deadline - std::chrono::steady_clock::now());
        pollfd entry{from_child.get(), POLLIN, 0};
        if (left.count() <= 0) break;
        if (::poll(&entry, 1, static_cast<int>(left.count())) <= 0) continue;
        char chunk[4096];
        const ssize_t got = ::read(from_child.get(), chunk, sizeof chunk);
        if (got > 0) text.append(chunk, static_cast<std::size_t>(got));
        ended = got == 0 || (got < 0 && errno != EINTR);
    }
    if (!ended) ::kill(child, SIGKILL);
    int status = 0;
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    if (!ended) throw Error("no answer within {} s", timeout.count());
    if (text.empty()) throw Error("ended by signal {}", WIFSIGNALED(status) ? WTERMSIG(status) : 0);
    if (text[0] == '-') throw Error("{}", text.substr(1));
    return text.substr(1);
}

}  // namespace holon::cli

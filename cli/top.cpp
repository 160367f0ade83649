// SPDX-License-Identifier: GPL-2.0-or-later
// holon top: what goes on in the virtual SMP of a job. `ssi top` runs in it, as a step of the job.
#include <unistd.h>

#include "cli/ask.h"
#include "cli/command.h"
#include "plugins/os/error.h"

namespace holon::cli {

int top(const Arguments& arguments) {
    std::vector<std::string> operands;
    CommandLine line(
        "top JOB [OPTIONS]",
        "Watches the programs on the virtual SMP of your job (--vm-smp): CPU time on "
        "each VM, faults, hot pages, false\nsharing. It is `ssi top`, run as a step of "
        "the job; its options go behind --: holon top 42 -- --once.\nEnds with ^C.");
    line.operands(operands, 1, 16);
    if (const auto end = line.parse(arguments)) return *end;
    const std::string job = operands.front();
    const auto jobs = running_jobs(job);
    if (jobs.empty()) throw Error("job {}: no running job of yours", job);
    std::vector<std::string> argv{"srun",      "--jobid", std::to_string(jobs.front().id),
                                  "--overlap", "-N1",     "-n1",
                                  "--mem=0",   "--quiet"};
    if (::isatty(STDIN_FILENO) == 1 && ::isatty(STDOUT_FILENO) == 1) argv.emplace_back("--pty");
    argv.insert(argv.end(), {"ssi", "top"});
    argv.insert(argv.end(), operands.begin() + 1, operands.end());
    std::vector<char*> words;
    for (auto& word : argv) words.push_back(word.data());
    words.push_back(nullptr);
    ::execvp(words[0], words.data());
    throw Error("srun: {}", errno_text());
}

}  // namespace holon::cli

// SPDX-License-Identifier: GPL-2.0-or-later
// Talks to a slurmctld through libslurm, thousands of times without a process start: one request a
// line on standard input, one answer a line on standard output.
//
//     submit KEY=VALUE…   a batch job: "job 5", or "refused TEXT"
//     allocate KEY=VALUE… the same as salloc would: started at once if it can be: "job 5 NODES"
//     try KEY=VALUE…      when and where it would start: "start SECONDS-FROM-NOW NODES"
//     cancel ID           "gone"
//     show ID             "STATE", or "STATE+COMPLETING"
//     running             "running COUNT of ALL"
//     schedule            the scheduler's own figures: "main CYCLES LAST-µS backfill CYCLES LAST-µS
//     DEPTH"
//
// KEYs: nodes, max, tasks, cpus, per-node, mem, mem-per-cpu, time (minutes), exclusive, contiguous,
// exclude, nodelist, partition, priority, spec (the rest of the line: put into the SPANK
// environment as job_submit/holon would).
#include <signal.h>
#include <slurm/slurm.h>
#include <slurm/slurm_errno.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

// Two kinds of answers have no function in the public header that frees them; this process is
// short-lived.
namespace {

struct Description {
    job_desc_msg_t message{};
    std::vector<std::string> texts;
    std::vector<char*> spank;

    char* keep(std::string text) {
        texts.push_back(std::move(text));
        return texts.back().data();
    }
};

const char* user_environment[] = {"PATH=/usr/bin:/bin", nullptr};
char script[] = "#!/bin/sh\ntrue\n";
char work_dir[] = "/tmp";

void fill(Description& job, std::istringstream& words) {
    job_desc_msg_t& message = job.message;
    slurm_init_job_desc_msg(&message);
    job.texts.reserve(16);
    message.user_id = ::getuid();
    message.group_id = ::getgid();
    message.script = script;
    message.work_dir = work_dir;
    message.environment = const_cast<char**>(user_environment);
    message.env_size = 1;
    message.name = job.keep("trial");
    message.std_out = job.keep("/dev/null");
    std::string word;
    while (words >> word) {
        const auto equals = word.find('=');
        const std::string key = word.substr(0, equals);
        std::string value = equals == std::string::npos ? "" : word.substr(equals + 1);
        const auto number = [&] { return static_cast<std::uint32_t>(std::stoul(value)); };
        if (key == "nodes") {
            message.min_nodes = number();
            if (message.max_nodes == NO_VAL) message.max_nodes = number();
        } else if (key == "max") {
            message.max_nodes = number();
        } else if (key == "tasks") {
            message.num_tasks = message.min_cpus = number();
        } else if (key == "cpus") {
            message.cpus_per_task = static_cast<std::uint16_t>(number());
        } else if (key == "per-node") {
            message.ntasks_per_node = static_cast<std::uint16_t>(number());
        } else if (key == "mem") {
            message.pn_min_memory = number();
        } else if (key == "mem-per-cpu") {
            message.pn_min_memory = number() | MEM_PER_CPU;
        } else if (key == "time") {
            message.time_limit = number();
        } else if (key == "exclusive") {
            message.shared = JOB_SHARED_NONE;
        } else if (key == "contiguous") {
            message.contiguous = 1;
        } else if (key == "exclude") {
            message.exc_nodes = job.keep(value);
        } else if (key == "nodelist") {
            message.req_nodes = job.keep(value);
        } else if (key == "partition") {
            message.partition = job.keep(value);
        } else if (key == "priority") {
            message.priority = number();
        } else if (key == "spec") {
            std::string rest;
            std::getline(words, rest);
            job.spank.push_back(job.keep("HOLON_SPEC=" + value + rest));
            message.spank_job_env = job.spank.data();
            message.spank_job_env_size = 1;
        } else {
            throw std::runtime_error("no key " + key);
        }
    }
    if (message.num_tasks != NO_VAL && message.cpus_per_task != NO_VAL16)
        message.min_cpus = message.num_tasks * message.cpus_per_task;
}

std::string refusal() {
#if SLURM_VERSION_NUMBER >= SLURM_VERSION_NUM(23, 2, 0)
    const int reason = errno;
#else
    const int reason = slurm_get_errno();
#endif
    return std::string("refused ") + slurm_strerror(reason);
}

std::string submit(std::istringstream& words) {
    Description job;
    fill(job, words);
    submit_response_msg_t* answer = nullptr;
    if (slurm_submit_batch_job(&job.message, &answer) != SLURM_SUCCESS) return refusal();
    const auto id = answer->job_id;
    slurm_free_submit_response_response_msg(answer);
    return "job " + std::to_string(id);
}

std::string allocate(std::istringstream& words) {
    Description job;
    fill(job, words);
    job.message.script = nullptr;
    resource_allocation_response_msg_t* answer = nullptr;
    if (slurm_allocate_resources(&job.message, &answer) != SLURM_SUCCESS) return refusal();
    std::string text = "job " + std::to_string(answer->job_id);
    if (answer->node_list != nullptr) text += std::string(" ") + answer->node_list;
    slurm_free_resource_allocation_response_msg(answer);
    return text;
}

std::string attempt(std::istringstream& words) {
    Description job;
    fill(job, words);
    will_run_response_msg_t* answer = nullptr;
    if (slurm_job_will_run2(&job.message, &answer) != SLURM_SUCCESS) return refusal();
    std::string text = "start " + std::to_string(answer->start_time - ::time(nullptr)) + " " +
                       (answer->node_list != nullptr ? answer->node_list : "");
    return text;
}

std::string show(std::uint32_t id) {
    job_info_msg_t* answer = nullptr;
    if (slurm_load_job(&answer, id, SHOW_DETAIL) != SLURM_SUCCESS || answer->record_count == 0)
        return "unknown";
    const slurm_job_info_t& job = answer->job_array[0];
    static const char* const states[] = {"PENDING", "RUNNING", "SUSPENDED", "COMPLETE",
                                         "CANCELLED"};
    const std::uint32_t base = job.job_state & JOB_STATE_BASE;
    std::string text = base < 5 ? states[base] : "ENDED";
    if ((job.job_state & JOB_COMPLETING) != 0) text += "+COMPLETING";
    slurm_free_job_info_msg(answer);
    return text;
}

std::string running() {
    job_info_msg_t* answer = nullptr;
    if (slurm_load_jobs(0, &answer, SHOW_ALL) != SLURM_SUCCESS) return refusal();
    unsigned count = 0, alive = 0;
    for (std::uint32_t i = 0; i < answer->record_count; ++i) {
        const auto state = answer->job_array[i].job_state & JOB_STATE_BASE;
        count += state == JOB_RUNNING;
        alive += state <= JOB_SUSPENDED;
    }
    slurm_free_job_info_msg(answer);
    return "running " + std::to_string(count) + " of " + std::to_string(alive);
}

std::string schedule() {
    stats_info_request_msg_t request{};
    request.command_id = STAT_COMMAND_GET;
    stats_info_response_msg_t* answer = nullptr;
    if (slurm_get_statistics(&answer, &request) != SLURM_SUCCESS) return refusal();
    std::ostringstream text;
    text << "main " << answer->schedule_cycle_counter << ' ' << answer->schedule_cycle_last
         << " backfill " << answer->bf_cycle_counter << ' ' << answer->bf_cycle_last << ' '
         << answer->bf_last_depth_try;
    return text.str();
}

std::string answer_to(const std::string& line) {
    std::istringstream words(line);
    std::string what;
    std::uint32_t id = 0;
    words >> what;
    if (what == "submit") return submit(words);
    if (what == "allocate") return allocate(words);
    if (what == "try") return attempt(words);
    if (what == "running") return running();
    if (what == "schedule") return schedule();
    if (what == "show" && words >> id) return show(id);
    if (what == "cancel" && words >> id)
        return slurm_kill_job(id, SIGKILL, 0) == SLURM_SUCCESS ? "gone" : refusal();
    return "what?";
}

}  // namespace

int main() {
    slurm_init(nullptr);
    std::string line;
    while (std::getline(std::cin, line)) {
        try {
            std::cout << answer_to(line) << std::endl;
        } catch (const std::exception& error) {
            std::cout << "wrong: " << error.what() << std::endl;
        }
    }
}

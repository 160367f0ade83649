// SPDX-License-Identifier: GPL-2.0-or-later
// job_submit_holon.so, loaded by slurmctld (JobSubmitPlugins=holon): the thin glue between Slurm's
// C interface and core.h. Public headers only, so one source serves every release. No exception
// leaves a function of this file.
#include <dlfcn.h>
#include <sys/random.h>

extern "C" {
#include <slurm/slurm.h>
#include <slurm/slurm_errno.h>
}

#include <cstring>
#include <exception>
#include <memory>
#include <string>
#include <vector>

#include "plugins/job_submit/core.h"
#include "plugins/job_submit/site.h"
#include "plugins/os/error.h"
#include "select/site/site.h"

#define SLURM_ENTRY extern "C" __attribute__((visibility("default")))

// Exported by every Slurm daemon and library; not in the public headers.
extern "C" {
char* slurm_xstrdup(const char* text);
void slurm_xfree(void** pointer);
void slurm_error(const char* format, ...) __attribute__((format(printf, 1, 2)));
void slurm_info(const char* format, ...) __attribute__((format(printf, 1, 2)));
}

SLURM_ENTRY const char plugin_name[];
SLURM_ENTRY const char plugin_type[];
SLURM_ENTRY const std::uint32_t plugin_version;
const char plugin_name[] = "Holon: jobs in virtual machines";
const char plugin_type[] = "job_submit/holon";
const std::uint32_t plugin_version = SLURM_VERSION_NUMBER;

namespace {

using holon::job_submit::Job;
using holon::job_submit::Life;
using holon::job_submit::OpenMode;
using holon::job_submit::Queued;
using holon::job_submit::Site;

std::unique_ptr<Site> site;                   // holon.yaml and the images
std::unique_ptr<holon::site::Site> reported;  // what holond --controller was told

// Of the facts of one moment.
class ReportedCheckpoints : public holon::job_submit::Checkpoints {
  public:
    ReportedCheckpoints()
        : facts_(reported ? reported->facts() : std::make_shared<const holon::site::Facts>()) {}
    bool known() const override { return facts_->known; }
    std::optional<holon::spec::Known> of_job(std::uint32_t job) const override {
        const auto* found = facts_->checkpoint(job);
        return found == nullptr ? std::nullopt : std::make_optional(known_of(*found));
    }
    std::optional<holon::spec::Known> in_folder(std::string_view folder) const override {
        for (const auto& [job, report] : facts_->checkpoints)
            if (report.folder == folder) return known_of(report);
        return std::nullopt;
    }
    holon::job_submit::Slurm slurm() const override {
        holon::job_submit::Slurm slurm;
        for (const auto& one : facts_->slurm.partitions)
            slurm.partitions.push_back({one.name, one.grace_s, one.preempted});
        slurm.saving.user_signal_sent = facts_->slurm.user_signal;
        slurm.saving.append_by_default = facts_->slurm.append_by_default;
        return slurm;
    }

  private:
    static holon::spec::Known known_of(const holon::site::CheckpointReport& report) {
        holon::spec::Known known;
        known.job = report.job;
        known.uid = report.uid;
        known.mode = report.smp ? holon::spec::Mode::smp : holon::spec::Mode::cluster;
        known.network =
            report.network ? holon::spec::Network::private_ : holon::spec::Network::none;
        known.image = report.image;
        known.folder = report.folder;
        for (const auto& shape : report.shapes) known.vms.push_back({shape.cpus, shape.memory_mb});
        return known;
    }
    std::shared_ptr<const holon::site::Facts> facts_;
};

std::string random_seed() {
    unsigned char bytes[32];
    if (::getrandom(bytes, sizeof bytes, 0) != sizeof bytes)
        throw holon::Error("getrandom: {}", holon::errno_text());
    std::string hex;
    for (unsigned char byte : bytes) hex += fmt::format("{:02x}", byte);
    return hex;
}

std::uint32_t given(std::uint32_t value) {
    return value == NO_VAL || value == INFINITE ? 0 : value;
}
std::uint32_t given16(std::uint16_t value) {
    return value == NO_VAL16 || value == INFINITE16 ? 0 : value;
}

// The name of UID for rules of holon.yaml; empty where there are none of users. Only the site's own
// thread asks the host for names: that may go over the network.
std::string user_name(std::uint32_t uid) { return site ? site->user_name(uid) : std::string(); }

// The partition that a job is for which names none; empty where there is no default. A variable of
// slurmctld's in all releases, read under its lock for partitions, which every submit holds.
std::string default_partition() {
    static const auto* const name =
        static_cast<char* const*>(::dlsym(RTLD_DEFAULT, "default_part_name"));
    return name != nullptr && *name != nullptr ? *name : "";
}

Life life_of(const job_desc_msg_t& description) {
    Life life;
    life.batch = description.script != nullptr;
    if (description.requeue != NO_VAL16) life.requeue = description.requeue != 0;
    if (description.open_mode == OPEN_MODE_APPEND) life.open_mode = OpenMode::append;
    if (description.open_mode == OPEN_MODE_TRUNCATE) life.open_mode = OpenMode::truncate;
    life.signal = given16(description.warn_signal);
    life.signal_before_s = given16(description.warn_time);
    life.signal_batch = (description.warn_flags & KILL_JOB_BATCH) != 0;
    return life;
}

Job job_of(const job_desc_msg_t& description) {
    Job job;
    job.min_nodes = given(description.min_nodes);
    job.max_nodes = given(description.max_nodes);
    job.tasks = given(description.num_tasks);
    job.tasks_per_node = given16(description.ntasks_per_node);
    job.distribution = description.task_dist != NO_VAL &&
                       (description.task_dist & SLURM_DIST_STATE_BASE) != SLURM_DIST_UNKNOWN;
    job.cpus_per_task = given16(description.cpus_per_task);
    job.min_cpus = given(description.min_cpus);
    job.min_cpus_per_node = given16(description.pn_min_cpus);
    job.whole_nodes = description.shared == JOB_SHARED_NONE;
    if (description.pn_min_memory != NO_VAL64 && description.pn_min_memory != INFINITE64) {
        if ((description.pn_min_memory & MEM_PER_CPU) != 0)
            job.cpu_memory_mb = description.pn_min_memory & ~MEM_PER_CPU;
        else
            job.node_memory_mb = description.pn_min_memory;
    }
    if (description.work_dir != nullptr) job.work_dir = description.work_dir;
    job.partition = description.partition != nullptr ? description.partition : default_partition();
    job.user = user_name(description.user_id);
    job.uid = description.user_id;
    job.life = life_of(description);
    return job;
}

// The new list is never longer than the old one (at least one entry became the spec), so Slurm's
// own array stays.
void replace_environment(job_desc_msg_t& description, const std::vector<std::string>& entries) {
    std::vector<char*> fresh;
    fresh.reserve(entries.size());
    for (const auto& entry : entries) fresh.push_back(slurm_xstrdup(entry.c_str()));
    for (std::uint32_t i = 0; i < description.spank_job_env_size; ++i) {
        void* old = description.spank_job_env[i];
        slurm_xfree(&old);
        description.spank_job_env[i] = i < fresh.size() ? fresh[i] : nullptr;
    }
    description.spank_job_env_size = static_cast<std::uint32_t>(fresh.size());
    if (fresh.empty()) {
        void* array = description.spank_job_env;
        slurm_xfree(&array);
        description.spank_job_env = nullptr;
    }
}

// What the job is queued with, in place of what came.
void rewrite(job_desc_msg_t& description, const Queued& queued) {
    replace_environment(description, queued.environment);
    if (queued.max_nodes != 0) description.max_nodes = queued.max_nodes;
    if (queued.min_cpus != 0) description.min_cpus = queued.min_cpus;
    if (queued.node_memory_mb != 0) description.pn_min_memory = queued.node_memory_mb;
    if (queued.cpu_memory_mb != 0) description.pn_min_memory = queued.cpu_memory_mb | MEM_PER_CPU;
    if (queued.tasks != 0) {
        description.num_tasks = queued.tasks;
        description.cpus_per_task = static_cast<std::uint16_t>(queued.cpus_per_task);
        description.ntasks_per_node = NO_VAL16;
        description.pn_min_cpus = NO_VAL16;
        description.max_cpus = NO_VAL;
    }
    if (queued.requeue) description.requeue = *queued.requeue ? 1 : 0;
    if (queued.signal) {
        description.warn_signal = static_cast<std::uint16_t>(queued.signal->number);
        description.warn_time = static_cast<std::uint16_t>(queued.signal->before_s);
        description.warn_flags |= KILL_JOB_BATCH;
    }
    if (queued.open_mode)
        description.open_mode =
            *queued.open_mode == OpenMode::append ? OPEN_MODE_APPEND : OPEN_MODE_TRUNCATE;
}

// Returns what the user is to be told, in lines.
std::string submit(job_desc_msg_t& description) {
    if (description.spank_job_env == nullptr || description.spank_job_env_size == 0) return "";
    std::vector<std::string> entries;
    bool ours = false;
    for (std::uint32_t i = 0; i < description.spank_job_env_size; ++i) {
        const char* entry = description.spank_job_env[i];
        entries.emplace_back(entry != nullptr ? entry : "");
        ours = ours || holon::spec::is_holon_entry(entries.back());
    }
    if (!ours) return "";
    auto limits = site ? site->limits() : std::make_shared<const holon::spec::Limits>();
    auto queued = holon::job_submit::decide(entries, job_of(description), *limits, random_seed(),
                                            ReportedCheckpoints());
    if (!queued) return "";
    rewrite(description, *queued);
    std::string said;
    for (const auto& line : queued->warnings) said += (said.empty() ? "" : "\n") + line;
    return said;
}

void report(const char* line) { slurm_error("job_submit/holon: %s", line); }

}  // namespace

SLURM_ENTRY int init(void) {
    try {
        site = std::make_unique<Site>(report);
        reported = std::make_unique<holon::site::Site>(report);
        return SLURM_SUCCESS;
    } catch (const std::exception& error) {
        report(error.what());
    } catch (...) {
        report("could not start");
    }
    return SLURM_ERROR;
}

SLURM_ENTRY int fini(void) {
    try {
        site.reset();
        reported.reset();
    } catch (...) {
        report("could not end");
    }
    return SLURM_SUCCESS;
}

SLURM_ENTRY int job_submit(job_desc_msg_t* description, std::uint32_t, char** err_msg) {
    try {
        const std::string said = submit(*description);
        if (!said.empty() && err_msg != nullptr) *err_msg = slurm_xstrdup(said.c_str());
        return SLURM_SUCCESS;
    } catch (const holon::Error& error) {
        if (err_msg != nullptr) *err_msg = slurm_xstrdup(error.what());
    } catch (const std::exception& error) {
        report(error.what());
        if (err_msg != nullptr)
            *err_msg = slurm_xstrdup("holon: the controller could not read the --vm options");
    } catch (...) {
        report("unknown exception");
    }
    return ESLURM_REQUESTED_NODE_CONFIG_UNAVAILABLE;
}

// An update cannot touch the spec: Slurm ignores spank_job_env in one (22.05 job_mgr.c
// _update_job).
struct job_record;
#if SLURM_VERSION_NUMBER >= SLURM_VERSION_NUM(23, 2, 0)
SLURM_ENTRY int job_modify(job_desc_msg_t*, job_record*, std::uint32_t, char**) {
#else
SLURM_ENTRY int job_modify(job_desc_msg_t*, job_record*, std::uint32_t) {
#endif
    return SLURM_SUCCESS;
}

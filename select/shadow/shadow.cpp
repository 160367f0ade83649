// SPDX-License-Identifier: GPL-2.0-or-later
#include "select/shadow/shadow.h"

#include <dlfcn.h>

#include <algorithm>
#include <ctime>
#include <mutex>
#include <set>

#include "plugins/os/error.h"
#include "select/shadow/layout.h"
#include "select/shadow/request.h"
#include "select/shadow/stock.h"
#include "select/shadow/usage.h"

namespace holon::shadow {
namespace {

// Each line once: what goes wrong for one job goes wrong for the next thousand, in every cycle.
class Complaints {
  public:
    void say(const std::string& line) noexcept {
        try {
            if (said_.size() < most && said_.insert(line).second) log_error(line.c_str());
        } catch (...) {
            log_error("out of memory");
        }
    }

  private:
    static constexpr std::size_t most = 64;
    std::set<std::string> said_;
};

// All that the plugin knows, in slurmctld. Its mutex is held for the length of one job_test, which
// Slurm calls under its own write lock for jobs anyway.
class Shadow {
  public:
    explicit Shadow(const Host& host) : host_(host) {}

    int test(const Test& test, const StockTest& stock);
    template <typename F>
    void update(const F& function) noexcept {
        try {
            std::lock_guard lock(mutex_);
            if (!off_) function(*this);
        } catch (const std::exception& error) {
            turn_off(error.what());
        } catch (...) {
            turn_off("unknown exception");
        }
    }
    void nodes_changed() {
        // The thread that reads files starts here and not at init: slurmctld forks between.
        if (!site_) site_ = std::make_unique<site::Site>(log_error);
        known_generation_ = 0;
        usage_.reset(static_cast<std::size_t>(*host_.node_count));
    }
    void jobs_changed() {
        if (layout_.proven()) usage_.rebuild(host_);
    }
    void job_changed(const job_record_t& job) {
        if (layout_.proven()) usage_.note(host_, job);
    }
    void job_ended(const job_record_t& job) {
        if (layout_.proven()) usage_.forget(job.job_id);
    }

  private:
    // True where answer_ is of this job. RESTRICTED: not every node may be offered, only those of
    // nodes_ that are available.
    bool prepare(const Test& test, bool& restricted);
    void relate(const site::Facts& facts);
    void fill_nodes(const Test& test, const Wanted& wanted, bool& restricted);
    bool offer(const Test& test, const StockTest& stock, int& result);
    void restrict(bitstr_t* nodes) const;
    void turn_off(const char* why) noexcept {
        off_ = true;
        try {
            complaints_.say(fmt::format("{}: VM jobs are placed like all others from now on", why));
        } catch (...) {
            log_error("out of memory: VM jobs are placed like all others from now on");
        }
    }

    const Host host_;
    std::recursive_mutex mutex_;  // stock's functions may come back to these
    bool off_ = false;
    Complaints complaints_;
    Layout layout_;
    Usage usage_;
    std::unique_ptr<site::Site> site_;
    placement::Placer placer_;
    placement::Answer answer_;
    std::vector<placement::Node> nodes_;            // by Slurm's node number
    std::vector<const site::NodeFacts*> facts_of_;  // the same; into known_
    std::shared_ptr<const site::Facts> known_;
    std::uint64_t known_generation_ = 0;  // of facts_of_; 0: to be made anew
};

// Node numbers are Slurm's, names the site's.
void Shadow::relate(const site::Facts& facts) {
    const auto count = static_cast<std::size_t>(*host_.node_count);
    facts_of_.assign(count, nullptr);
    nodes_.assign(count, {});
    for (std::size_t i = 0; i < count; ++i) {
        const node_record_t* const node = host_.node(static_cast<int>(i));
        if (node == nullptr || node->name == nullptr) continue;
        facts_of_[i] = facts.node(node->name);
        nodes_[i].domain = facts.domain(node->name);
    }
    known_generation_ = facts.generation;
}

void Shadow::fill_nodes(const Test& test, const Wanted& wanted, bool& restricted) {
    const auto& details = *test.job->details;
    const bool counts_memory = (host_.conf->select_type_param & CR_MEMORY) != 0;
    const auto size = static_cast<std::size_t>(host_.size(test.nodes));
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
        placement::Node& node = nodes_[i];
        const node_record_t* const record = host_.node(static_cast<int>(i));
        const auto bit = static_cast<bitoff_t>(i);
        node.available = record != nullptr && i < size && host_.test(test.nodes, bit) != 0;
        if (!node.available) continue;
        site::fill(node, *known_, facts_of_[i], wanted.image);
        const auto number = static_cast<std::uint32_t>(i);
        node.cpus = record->cpus_efctv != 0 ? record->cpus_efctv : record->cpus;
        node.free_cpus = node.cpus - std::min(node.cpus, usage_.cpus(number));
        if (counts_memory) {
            node.memory_mb =
                record->real_memory - std::min(record->real_memory, record->mem_spec_limit);
            node.free_memory_mb =
                node.memory_mb - std::min(node.memory_mb, usage_.memory_mb(number));
        } else {
            node.memory_mb = node.free_memory_mb = placement::unlimited_mb;
        }
        node.required =
            details.req_node_bitmap != nullptr && host_.test(details.req_node_bitmap, bit) != 0;
        if (node.health == placement::Health::broken ||
            node.image == placement::ImageState::absent || (wanted.request.kvm && !node.kvm)) {
            node.available = false;
            restricted = true;
        }
    }
}

bool Shadow::prepare(const Test& test, bool& restricted) {
    const std::string spec = layout_.spec_of(*test.job);
    if (spec.empty()) return false;
    const bool was_proven = layout_.proven();
    std::string why;
    if (!layout_.fits(host_, test.job, why)) {
        if (!why.empty())
            turn_off((why + ": this plugin was built for another micro release of Slurm").c_str());
        return false;
    }
    if (!was_proven) usage_.rebuild(host_);
    if (!site_) return false;
    known_ = site_->facts();
    if (!known_->known) {
        complaints_.say(
            "nothing is known of the nodes' VM layers (holond --controller): VM jobs are placed "
            "like all others meanwhile");
        return false;
    }
    if (known_generation_ != known_->generation ||
        nodes_.size() != static_cast<std::size_t>(*host_.node_count))
        relate(*known_);
    const Wanted wanted = wanted_of(test, spec, *known_);
    fill_nodes(test, wanted, restricted);
    const auto& weights = wanted.smp ? known_->smp : known_->cluster;
    placer_.place(nodes_, wanted.request, weights, answer_, known_->most_candidates);
    return true;
}

void Shadow::restrict(bitstr_t* nodes) const {
    for (std::size_t i = 0; i < nodes_.size(); ++i)
        if (!nodes_[i].available && static_cast<bitoff_t>(i) < host_.size(nodes))
            host_.clear(nodes, static_cast<bitoff_t>(i));
}

// The sets, best first. True where the stock plugin took one: then RESULT is its answer.
bool Shadow::offer(const Test& test, const StockTest& stock, int& result) {
    const bool will_run = SELECT_IS_MODE_WILL_RUN(test.mode);
    for (const placement::Candidate& set : answer_.sets()) {
        const Bits offered(host_, test.nodes);
        for (std::size_t i = 0, next = 0; i < nodes_.size(); ++i) {
            if (next < set.nodes.size() && set.nodes[next] == i) {
                ++next;
            } else if (static_cast<bitoff_t>(i) < host_.size(offered.get())) {
                host_.clear(offered.get(), static_cast<bitoff_t>(i));
            }
        }
        const std::time_t now = std::time(nullptr);
        const int rc = stock(offered.get(), false);
        // These nodes are free now: an estimate that they will be later is not what was meant.
        if (rc != SLURM_SUCCESS || (will_run && test.job->start_time > now + 1)) {
            // each further set would cost another look into the future
            if (will_run) return false;
            continue;
        }
        host_.copy_bits(test.nodes, offered.get());
        result = rc;
        if ((host_.conf->debug_flags & DEBUG_FLAG_SELECT_TYPE) != 0) {
            const auto name = [](const void* host, std::uint32_t node) -> std::string {
                return static_cast<const Host*>(host)->node(static_cast<int>(node))->name;
            };
            log_info(fmt::format("job {}: {}", test.job->job_id,
                                 placement::explain(set, {}, name, &host_))
                         .c_str());
        }
        return true;
    }
    return false;
}

int Shadow::test(const Test& test, const StockTest& stock) {
    // Reservations are tried with jobs that are none. TEST_ONLY asks whether the job can ever run:
    // a VM layer can be mended and an image be brought, so all nodes count, and what RUN_NOW and
    // WILL_RUN accept is always among what TEST_ONLY accepts.
    const bool asks = test.job != nullptr && !SELECT_IS_MODE_TEST_ONLY(test.mode);
    if (asks && test.job->job_id != 0) {
        std::lock_guard lock(mutex_);
        bool restricted = false;
        int result = SLURM_SUCCESS;
        try {
            if (!off_ && prepare(test, restricted) && offer(test, stock, result)) return result;
        } catch (const std::exception& error) {
            complaints_.say(std::string(error.what()) + ": the job is placed like all others");
            restricted = false;
        } catch (...) {
            complaints_.say("unknown exception: the job is placed like all others");
            restricted = false;
        }
        if (restricted) restrict(test.nodes);
    }
    return stock(test.nodes, true);
}

Shadow* shadow = nullptr;

}  // namespace

int start() {
    try {
        const auto host = Host::find();
        // Clients that load the plugin have the configuration, if not the rest.
        const auto* conf = static_cast<const slurm_conf_t*>(::dlsym(RTLD_DEFAULT, "slurm_conf"));
        if (conf == nullptr || conf->plugindir == nullptr) throw Error("no PluginDir is known");
        Stock::load(conf->plugindir, SLURM_VERSION_NUMBER);
        if (host && shadow == nullptr) shadow = new Shadow(*host);
        return SLURM_SUCCESS;
    } catch (const std::exception& error) {
        log_error(error.what());
    } catch (...) {
        log_error("unknown exception at start");
    }
    return SLURM_ERROR;
}

void stop() {
    delete shadow;
    shadow = nullptr;
    Stock::unload();
}

int job_test(const Test& test, const StockTest& stock) {
    return shadow == nullptr ? stock(test.nodes, true) : shadow->test(test, stock);
}

void nodes_changed() {
    if (shadow != nullptr) shadow->update([](Shadow& it) { it.nodes_changed(); });
}
void jobs_changed() {
    if (shadow != nullptr) shadow->update([](Shadow& it) { it.jobs_changed(); });
}
void job_changed(const job_record_t* job) {
    if (shadow != nullptr) shadow->update([=](Shadow& it) { it.job_changed(*job); });
}
void job_ended(const job_record_t* job) {
    if (shadow != nullptr) shadow->update([=](Shadow& it) { it.job_ended(*job); });
}

}  // namespace holon::shadow

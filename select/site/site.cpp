// SPDX-License-Identifier: GPL-2.0-or-later
#include "select/site/site.h"

#include <poll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <mutex>

#include "paths.h"
#include "plugins/config/config.h"
#include "plugins/os/error.h"
#include "plugins/os/fd.h"
#include "plugins/os/file.h"

namespace holon::site {
namespace {

// inotify tells of the snapshot at once. What it does not see (holon.yaml on a network file system,
// a directory that is made later, a daemon that no longer writes) is looked at this often.
constexpr int look_every_ms = 3000;
// The daemon writes at each heartbeat, whatever happens; this many left out, and it is dead.
constexpr std::int64_t most_heartbeats_missed = 6;

std::filesystem::path topology_file() {
    const char* conf = std::getenv("SLURM_CONF");
    const std::filesystem::path slurm = conf != nullptr ? conf : "/etc/slurm/slurm.conf";
    return slurm.parent_path() / "topology.conf";
}

std::int64_t now_s() {
    return std::chrono::duration_cast<std::chrono::seconds>(
               std::chrono::system_clock::now().time_since_epoch())
        .count();
}

void add_config(Facts& facts, const config::Config& config) {
    facts.cluster = config.placement.cluster;
    facts.smp = config.placement.smp;
    facts.most_candidates = config.placement.candidates;
    facts.needs_kvm = config.vm.accelerator == config::Accelerator::kvm;
    facts.memory_reserve_mb = config.vm.memory_reserve_mb;
    std::vector<Domain> domains;
    for (const auto& text : config.placement.domains) domains.push_back(parse_domain(text));
    if (domains.empty())
        domains = parse_topology(os::read_file_if_exists(topology_file()).value_or(""));
    add_domains(facts, domains);
}

}  // namespace

// What the thread and those who ask share.
struct Site::State {
    std::mutex mutex;
    std::shared_ptr<const Facts> facts = std::make_shared<const Facts>();

    // the thread's own
    Report on_error = nullptr;
    os::Fd inotify{::inotify_init1(IN_CLOEXEC | IN_NONBLOCK)};
    std::string complaint;
    config::Config config;
    os::Reading of_config, of_others;
    std::int64_t written = 0;  // the snapshot's own time
    std::uint64_t generation = 0;
    std::filesystem::path watched;

    void complain(const std::string& line) {
        if (line != complaint) on_error(line.c_str());
        complaint = line;
    }

    void watch() {
        if (!inotify.valid() || watched == config.controller.state_dir) return;
        if (::inotify_add_watch(inotify.get(), config.controller.state_dir.c_str(),
                                IN_MOVED_TO | IN_DELETE | IN_ONLYDIR) >= 0)
            watched = config.controller.state_dir;
    }

    bool stale() const {
        return now_s() - written >
               most_heartbeats_missed * std::int64_t{config.controller.heartbeat_s};
    }

    // What keeps the snapshot from being used; empty where nothing does.
    std::string read_snapshot(Facts& fresh) {
        const auto file = config.controller.state_dir / snapshot_name;
        try {
            const auto text = os::read_file_if_exists(file);
            if (!text) return file.string() + ": not there; is holond --controller running?";
            const Snapshot snapshot = parse_snapshot(*text);
            written = snapshot.time;
            if (stale())
                return file.string() + ": not written for minutes; is holond --controller running?";
            add_snapshot(fresh, snapshot);
        } catch (const Error& error) {
            written = 0;
            return fmt::format("{}: {}", file.string(), error.what());
        }
        return "";
    }

    void look() {
        const bool fresh_config = of_config.due(os::stamp_of(
            config.file.empty() ? std::filesystem::path(paths::config_file) : config.file));
        if (fresh_config) config = config::load_default();
        watch();
        const bool others =
            of_others.due(os::stamp_of(topology_file()) +
                          os::stamp_of(config.controller.state_dir / snapshot_name));
        if (!fresh_config && !others && !(facts->known && stale())) return;
        auto fresh = std::make_shared<Facts>();
        add_config(*fresh, config);
        const std::string trouble = read_snapshot(*fresh);
        fresh->generation = ++generation;
        of_config.done();
        of_others.done();
        {
            std::lock_guard lock(mutex);
            facts = std::move(fresh);
        }
        if (trouble.empty())
            complaint.clear();
        else
            complain(trouble + "; VM jobs are placed as Slurm itself does");
    }

    void wait(int wake) {
        pollfd sources[] = {{wake, POLLIN, 0}, {inotify.get(), POLLIN, 0}};
        ::poll(sources, inotify.valid() ? 2 : 1, look_every_ms);
        char drained[4096];
        while (inotify.valid() && ::read(inotify.get(), drained, sizeof drained) > 0) {
        }
    }
};

Site::Site(Report on_error) : state_(std::make_shared<State>()) {
    state_->on_error = on_error;
    thread_ = std::make_unique<os::Background>([state = state_](int wake) {
        try {
            state->look();
        } catch (const std::exception& error) {
            state->complain(error.what());  // the former facts stay
        } catch (...) {
            state->complain("unknown trouble while the site's files were read");
        }
        state->wait(wake);
    });
}

Site::~Site() = default;

std::shared_ptr<const Facts> Site::facts() const {
    std::lock_guard lock(state_->mutex);
    return state_->facts;
}

}  // namespace holon::site

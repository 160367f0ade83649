// SPDX-License-Identifier: GPL-2.0-or-later
// What this node can do for VMs, told to `holond --controller` (plugins/controller), from which the
// plugins in slurmctld know it without asking at scheduling time.
#include <spdlog/spdlog.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>

#include "paths.h"
#include "plugins/image/image.h"
#include "plugins/node/daemon.h"
#include "plugins/os/error.h"
#include "plugins/os/process.h"
#include "plugins/os/slurm.h"
#include "plugins/rpc/rpc.h"

namespace holon::node {
namespace {

constexpr std::uint64_t least_free_mb = 64;  // for overlays; below it no VM starts
// Changes are told at once, but not more often than this.
constexpr std::chrono::milliseconds pause_between{1000};
// Health is told when it changes.
constexpr std::chrono::seconds between_looks{10};

// Printable, and of one line's length, for it is shown by sinfo.
std::string one_line(std::string text) {
    for (char& c : text)
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
    return text.substr(0, site::longest_reason);
}

std::uint64_t free_huge_mb() {
    std::ifstream meminfo("/proc/meminfo");
    std::uint64_t pages = 0, size_kb = 0;
    for (std::string line; std::getline(meminfo, line);) {
        if (line.starts_with("HugePages_Free:"))
            pages = std::strtoull(line.c_str() + 15, nullptr, 10);
        if (line.starts_with("Hugepagesize:"))
            size_kb = std::strtoull(line.c_str() + 13, nullptr, 10);
    }
    return pages * size_kb / 1024;
}

void add_images(site::NodeReport& report, const config::Config& config) {
    auto images = image::list(config);
    std::erase_if(images, [](const image::Image& image) { return image.kernel.empty(); });
    const auto ready = image::prepared(images, paths::guest_agent, paths::cache_dir);
    for (std::size_t i = 0; i < images.size() && i < site::most_images; ++i)
        (ready[i] ? report.cached : report.present).push_back(images[i].name);
}

// Whether a VM could start here, as far as can be seen without starting one; throws why not.
void check_vm_layer(Daemon& daemon) {
    daemon.hypervisor->domains();  // libvirt answers
    if (::access(paths::guest_agent, R_OK) != 0)
        throw Error("{}: {}", paths::guest_agent, errno_text());
    std::error_code ignored;
    std::filesystem::create_directories(daemon.config.state_dir, ignored);
    struct statvfs room {};
    if (::statvfs(daemon.config.state_dir.c_str(), &room) != 0)
        throw Error("{}: {}", daemon.config.state_dir.string(), errno_text());
    if (std::uint64_t{room.f_bavail} * room.f_frsize < least_free_mb << 20)
        throw Error("{}: less than {}M free", daemon.config.state_dir.string(), least_free_mb);
    if (daemon.config.vm.accelerator == config::Accelerator::kvm && ::access("/dev/kvm", F_OK) != 0)
        throw Error("vm.accelerator is kvm, but there is no /dev/kvm");
}

site::NodeReport look(Daemon& daemon, bool kvm) {
    site::NodeReport report;
    report.name = daemon.host;
    report.kvm = kvm;
    report.huge_mb = free_huge_mb();
    try {
        add_images(report, daemon.config);
        check_vm_layer(daemon);
    } catch (const std::exception& error) {
        report.healthy = false;
        report.reason = one_line(error.what());
    }
    return report;
}

std::vector<std::string> ask_slurm() {
    os::RunOptions options;
    options.env = os::slurm_environment();
    options.timeout = std::chrono::seconds(20);
    return os::controller_hosts(os::run_checked({"scontrol", "show", "config"}, options));
}

// To each controller; returns what went wrong with those that did not take it.
std::string tell(Daemon& daemon, const nlohmann::json& message, bool& any) {
    const auto& controller = daemon.config.controller;
    std::string trouble;
    any = false;
    try {
        for (const std::string& host :
             controller.hosts.empty() ? daemon.controllers.get(ask_slurm) : controller.hosts) {
            try {
                rpc::Client::remote(host, controller.port).call(message);
                any = true;
            } catch (const Error& error) {
                trouble += (trouble.empty() ? "" : "; ") + std::string(error.what());
            }
        }
        if (!any && trouble.empty()) trouble = "Slurm names no controller";
    } catch (const std::exception& error) {
        trouble = error.what();
    }
    if (!any) daemon.controllers.none_answered();
    return trouble;
}

}  // namespace

Task<void> publish_capabilities(Daemon& daemon) {
    std::string complaint;
    site::NodeReport told;
    unsigned failures = 0;
    for (Clock::time_point due{};;) {
        const bool kvm = daemon.acceleration && daemon.acceleration->kvm;
        const bool probed = daemon.acceleration.has_value();
        const auto heartbeat = std::chrono::seconds(daemon.config.controller.heartbeat_s);
        if (probed) {  // a node that is still finding out is not known yet
            site::NodeReport report;
            co_await blocking(daemon.pool, [&] { report = look(daemon, kvm); });
            if (!(report == told) || Clock::now() >= due) {
                const nlohmann::json message = {{"op", "capabilities"},
                                                {"node", site::to_json(report)}};
                std::string trouble;
                bool any = false;
                co_await blocking(daemon.pool, [&] { trouble = tell(daemon, message, any); });
                if (trouble != complaint && !trouble.empty())
                    spdlog::warn("capabilities were not taken: {}", trouble);
                complaint = trouble;
                told = report;  // or tried to: the same again when it is due
                failures = any ? 0 : failures + 1;
                due = Clock::now() + until_next_report(failures, heartbeat);
            }
        }
        asio::steady_timer pause(daemon.io, pause_between);
        co_await pause.async_wait(asio::use_awaitable);
        // Health is looked at this often, and whenever something happens here.
        if (probed) co_await daemon.changed.wait(std::min(due, Clock::now() + between_looks));
    }
}

Task<void> publish_checkpoint(Daemon& daemon, const site::CheckpointReport& report) {
    const nlohmann::json message = {{"op", "checkpointed"}, {"checkpoint", site::to_json(report)}};
    std::string trouble;
    bool any = false;
    co_await blocking(daemon.pool, [&] { trouble = tell(daemon, message, any); });
    if (!any) throw Error("no controller was told: {}", trouble);
    if (!trouble.empty()) spdlog::warn("checkpoint {}: {}", report.id, trouble);
}

}  // namespace holon::node

// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/doctor/node_facts.h"

#include <fmt/ranges.h>
#include <sys/stat.h>

#include <nlohmann/json.hpp>

#include "plugins/os/error.h"
#include "plugins/os/file.h"

namespace holon::cli {

using nlohmann::json;

Finding qemu_folder(const std::filesystem::path& folder) {
    std::filesystem::path path;
    for (const auto& part : folder) {
        path /= part;
        struct stat status {};
        if (::stat(path.c_str(), &status) != 0) {
            if (errno == ENOENT)
                return not_checked(fmt::format(
                    "{} is not there: libvirtd makes it when it first starts", path.string()));
            return bad(fmt::format("{}: {}", path.string(), errno_text()), {});
        }
        if ((status.st_mode & S_IXOTH) == 0)
            return bad(fmt::format(
                           "{} has mode {:04o}: QEMU runs as the job's user and cannot get through",
                           path.string(), status.st_mode & 07777u),
                       fmt::format("chmod o+x {0}; so that upgrades leave it so, on Debian: "
                                   "dpkg-statoverride --add {1} {2} {3:04o} {0}",
                                   path.string(), status.st_uid == 0 ? "root" : "libvirt-qemu",
                                   status.st_gid == 0 ? "root" : "libvirt-qemu",
                                   (status.st_mode & 07777u) | S_IXOTH));
    }
    return good(fmt::format("jobs' users get through {}", folder.string()));
}

std::vector<std::string> forward_drops(const std::string& chains) {
    std::vector<std::string> drops;
    const json listed = json::parse(chains, nullptr, false);
    if (!listed.is_object()) return drops;
    for (const json& entry : listed.value("nftables", json::array())) {
        if (!entry.is_object() || !entry.contains("chain")) continue;
        const json& chain = entry["chain"];
        if (chain.value("hook", "") != "forward" || chain.value("policy", "") != "drop") continue;
        // Bridges' own hooks are Holon's business; those of ip see bridged packets when told to.
        const std::string family = chain.value("family", "");
        if (family != "ip" && family != "ip6" && family != "inet") continue;
        drops.push_back(
            fmt::format("{} {} {}", family, chain.value("table", "?"), chain.value("name", "?")));
    }
    return drops;
}

Finding bridged_traffic(const std::filesystem::path& settings,
                        const std::vector<std::string>& drops) {
    std::vector<std::string> set;
    for (const char* name :
         {"bridge-nf-call-iptables", "bridge-nf-call-ip6tables", "bridge-nf-call-arptables"}) {
        const auto value = os::read_file_if_exists(settings / name);
        if (value && !value->starts_with('0')) set.push_back(fmt::format("net.bridge.{}=1", name));
    }
    if (set.empty()) return good("the host's firewall does not see the traffic between VMs");
    const std::string mend =
        "set them to 0 (sysctl -w, and a file in /etc/sysctl.d), or let the firewall accept "
        "bridged traffic";
    if (!drops.empty())
        return warn(fmt::format("{}, and the firewall's policy for what it forwards is drop ({}): "
                                "VMs of a job on one node may not reach each other, nor those on "
                                "other nodes",
                                fmt::join(set, ", "), fmt::join(drops, ", ")),
                    mend);
    return warn(fmt::format("{}: the host's firewall also sees the traffic between VMs, and may "
                            "drop it",
                            fmt::join(set, ", ")),
                mend);
}

Finding background_saves(const std::filesystem::path& setting) {
    const auto value = os::read_file_if_exists(setting);
    if (!value || value->starts_with('0'))
        return warn(fmt::format("vm.unprivileged_userfaultfd={}: a VM stands until its memory is "
                                "written when it is saved",
                                value ? "0" : "? (the kernel does not know it)"),
                    "sysctl -w vm.unprivileged_userfaultfd=1, and the file sysctl.d/holon.conf "
                    "from the examples; what it means is in the administrator's guide");
    return good("VMs run on while they are saved");
}

}  // namespace holon::cli

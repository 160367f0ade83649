// SPDX-License-Identifier: GPL-2.0-or-later
// What every host of the cluster needs, login hosts too: a good configuration, MUNGE, the images.
#include <fmt/ranges.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/doctor/check.h"
#include "cli/table.h"
#include "paths.h"
#include "plugins/image/image.h"
#include "plugins/os/error.h"
#include "plugins/rpc/rpc.h"

namespace holon::cli {
namespace {

Finding configuration(const Site& site) {
    if (!site.config_error.empty())
        return bad(site.config_error, "correct the file; holon.yaml(5) lists every key");
    if (site.config.file.empty())
        return good(fmt::format("no {}: the built-in defaults hold", paths::config_file));
    struct stat status {};
    if (::stat(site.config.file.c_str(), &status) != 0)
        return bad(fmt::format("{}: {}", site.config.file.string(), errno_text()), {});
    if (status.st_uid != 0 || (status.st_mode & 022) != 0)
        return bad(fmt::format("{} can be changed by others than root", site.config.file.string()),
                   fmt::format("chown root {0} && chmod 644 {0}", site.config.file.string()));
    return good(fmt::format("{} is valid", site.config.file.string()));
}

Finding munge(const Site&) {
    std::string text;
    uid_t sender = 0;
    try {
        sender = rpc::open(rpc::seal("holon doctor", ::geteuid()), text);
    } catch (const Error& error) {
        return bad(error.what(), "start munged, with the same /etc/munge/munge.key on every host");
    }
    if (sender != ::geteuid() || text != "holon doctor")
        return bad(
            fmt::format("a credential of uid {} came back as one of uid {}", ::geteuid(), sender),
            "restart munged");
    return good("a credential went to munged and came back");
}

Finding images(const Site& site) {
    std::vector<std::string> whole, broken;
    bool has_default = false;
    for (const auto& one : image::list(site.config)) {
        if (one.kernel.empty()) {
            broken.push_back(fmt::format("{}: {}", one.name, one.description));
            continue;
        }
        for (const auto& file : {one.kernel, one.initrd, one.disk})
            if (!file.empty() && ::access(file.c_str(), R_OK) != 0)
                broken.push_back(fmt::format("{}: {}: {}", one.name, file.string(), errno_text()));
        whole.push_back(one.name);
        has_default = has_default || one.name == site.config.images.default_image;
    }
    if (!broken.empty())
        return bad(
            fmt::format("{}", fmt::join(broken, "; ")),
            "build or import it again (holon image build, import), or remove it (holon image rm)");
    if (!has_default)
        return bad(fmt::format("the default image '{}' is not among those here ({})",
                               site.config.images.default_image,
                               whole.empty() ? "none" : fmt::format("{}", fmt::join(whole, ", "))),
                   fmt::format("holon image build {}, or set images.default_image and images.path",
                               site.config.images.default_image));
    return good(fmt::format("{}", fmt::join(whole, ", ")));
}

}  // namespace

std::vector<Check> host_checks() {
    return {
        {"configuration", everywhere, configuration},
        {"munge", everywhere, munge},
        {"images", on_node | on_controller, images},
    };
}

}  // namespace holon::cli

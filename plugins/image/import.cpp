// SPDX-License-Identifier: GPL-2.0-or-later
// A disk file becomes an image of the catalogue, with the kernel that boots users' own files.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "plugins/image/catalogue.h"
#include "plugins/image/image.h"
#include "plugins/image/slot.h"
#include "plugins/image/user_file.h"
#include "plugins/os/error.h"
#include "plugins/os/file.h"

namespace holon::image {
namespace fs = std::filesystem;
namespace {

constexpr uid_t nobody = 65534;
constexpr std::chrono::hours copy_timeout{6};

// cp keeps holes and shares blocks where the file system can.
void copy_sparse(const fs::path& from, const fs::path& to) {
    os::RunOptions options;
    options.timeout = copy_timeout;
    os::run_checked({"cp", "--reflink=auto", "--sparse=auto", "--dereference", "--", from.string(),
                     to.string()},
                    options);
    if (::chmod(to.c_str(), 0644) != 0) throw Error("{}: {}", to.string(), errno_text());
}

// Kernels are shared between images where the file system allows it.
void link_or_copy(const fs::path& from, const fs::path& to) {
    if (::link(from.c_str(), to.c_str()) != 0) copy_sparse(from, to);
}

}  // namespace

void import_disk(const config::Config& config, const fs::path& file, const std::string& name,
                 const Progress& progress) {
    std::error_code failure;
    if (!fs::is_regular_file(file, failure))
        throw Error("{}: {}", file.string(),
                    failure ? failure.message() : "not a regular file; give a disk image");
    Slot slot(config, name);
    Image kernel = find_in_catalogue(config, config.images.user_file_kernel);
    fs::path disk = slot.folder() / "disk";
    progress(fmt::format("copying {}", file.string()));
    copy_sparse(fs::absolute(file), disk);
    progress("looking for its root file system");
    // The file comes from anywhere: it is looked into as nobody.
    os::Identity who;
    who.uid = ::geteuid() == 0 ? nobody : ::geteuid();
    who.gid = ::geteuid() == 0 ? nobody : ::getegid();
    DiskFile facts;
    try {
        facts = probe_file(disk, who);
    } catch (const Error& error) {
        std::string words = error.what();
        // The user named the original, not our copy.
        if (words.starts_with(disk.string())) words.replace(0, disk.string().size(), file.string());
        throw Error("{}", words);
    }
    fs::path disk_name = "disk." + facts.format;
    fs::rename(disk, slot.folder() / disk_name);
    link_or_copy(kernel.kernel, slot.folder() / kernel.kernel.filename());
    link_or_copy(kernel.initrd, slot.folder() / kernel.initrd.filename());
    os::write_file_atomically(slot.folder() / "image.yaml",
                              fmt::format("description: imported, with the kernel of {}\nkernel: "
                                          "{}\ninitrd: {}\ndisk: {}\ndisk_format: {}\n"
                                          "root: {}\nroot_type: {}\nmin_memory_mb: {}\n",
                                          kernel.name, kernel.kernel.filename().string(),
                                          kernel.initrd.filename().string(), disk_name.string(),
                                          facts.format, facts.root.device(), facts.root.type,
                                          std::max<std::uint64_t>(kernel.min_memory_mb, 128)),
                              0644);
    slot.commit();
    progress(fmt::format("image '{}' is ready", name));
}

void remove(const config::Config& config, const std::string& name) {
    Slot slot(config, name);
    if (slot.withdraw()) return;
    find_in_catalogue(config, name);  // throws the names known where there is none
    throw Error("image '{}': lies in a folder of images.path that this host cannot change", name);
}

}  // namespace holon::image

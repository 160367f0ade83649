// SPDX-License-Identifier: GPL-2.0-or-later
#include "plugins/image/slot.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "plugins/image/catalogue.h"
#include "plugins/os/error.h"
#include "plugins/os/file.h"

namespace holon::image {
namespace fs = std::filesystem;
namespace {

fs::path writable_catalogue(const config::Config& config) {
    std::string reasons;
    for (const auto& catalogue : config.images.path) {
        std::error_code failure;
        fs::create_directories(catalogue, failure);
        if (!failure && ::access(catalogue.c_str(), W_OK | X_OK) == 0) return catalogue;
        reasons += fmt::format("{}{}: {}", reasons.empty() ? "" : "; ", catalogue.string(),
                               failure ? failure.message() : errno_text());
    }
    throw Error("no folder of images.path can be written to ({})",
                reasons.empty() ? "it is empty" : reasons);
}

}  // namespace

Slot::Slot(const config::Config& config, const std::string& name) : name_(name) {
    check_name(name);
    fs::path catalogue = writable_catalogue(config);
    place_ = catalogue / name;
    fs::path lock = catalogue / ("." + name + ".lock");
    lock_.reset(::open(lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644));
    if (!lock_.valid()) throw Error("{}: {}", lock.string(), errno_text());
    if (::flock(lock_.get(), LOCK_EX | LOCK_NB) != 0)
        throw Error("image '{}': another build, import or removal of it is running", name);
    folder_ = catalogue / ("." + name + ".new");
    os::remove_tree(folder_);
    if (::mkdir(folder_.c_str(), 0755) != 0 || ::chmod(folder_.c_str(), 0755) != 0)
        throw Error("{}: {}", folder_.string(), errno_text());
}

Slot::~Slot() {
    try {
        os::remove_tree(folder_);
    } catch (const Error&) {
        // The next one who takes the slot sweeps it.
    }
}

void Slot::commit() {
    load_folder(folder_);
    os::Fd folder(::open(folder_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!folder.valid() || ::syncfs(folder.get()) != 0)
        throw Error("{}: {}", folder_.string(), errno_text());
    // Where there is an older image the two change places, and the destructor removes the old one.
    unsigned how = fs::exists(place_) ? RENAME_EXCHANGE : RENAME_NOREPLACE;
    if (::renameat2(AT_FDCWD, folder_.c_str(), AT_FDCWD, place_.c_str(), how) != 0)
        throw Error("{}: {}", place_.string(), errno_text());
    os::Fd catalogue(::open(place_.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!catalogue.valid() || ::fsync(catalogue.get()) != 0)
        throw Error("{}: {}", place_.string(), errno_text());
}

bool Slot::withdraw() {
    // Over the empty folder of the slot, which the destructor then removes with all that is in it.
    if (::rename(place_.c_str(), folder_.c_str()) == 0) return true;
    if (errno == ENOENT) return false;
    throw Error("{}: {}", place_.string(), errno_text());
}

}  // namespace holon::image

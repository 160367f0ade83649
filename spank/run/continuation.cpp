// SPDX-License-Identifier: GPL-2.0-or-later
#include "spank/run/continuation.h"

#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "plugins/os/error.h"

namespace holon::run {
namespace {

SavedOutput saved_of(const nlohmann::json& json) {
    SavedOutput saved;
    saved.offset = json.at("offset").get<std::uint64_t>();
    if (const auto& file = json.at("file"); !file.is_null())
        saved.file = SavedOutput::File{file.at("device").get<std::uint64_t>(),
                                       file.at("inode").get<std::uint64_t>(),
                                       file.at("length").get<std::uint64_t>()};
    return saved;
}

// A network file system has another device number on each node, all with major number 0; there the
// inode is what the nodes agree on.
bool same_file(const struct stat& now, const SavedOutput::File& saved) {
    return now.st_ino == saved.inode &&
           (now.st_dev == saved.device || (major(now.st_dev) == 0 && major(saved.device) == 0));
}

}  // namespace

std::optional<Continuation> continuation_of(const nlohmann::json& granted) {
    const auto found = granted.find("resume");
    if (found == granted.end() || found->is_null()) return std::nullopt;
    try {
        Continuation continuation;
        continuation.session = std::stoull(found->at("session").get<std::string>(), nullptr, 16);
        continuation.out = saved_of(found->at("out"));
        continuation.err = saved_of(found->at("err"));
        return continuation;
    } catch (const std::exception& error) {
        throw Error("holond's word of the saved session cannot be read: {}", error.what());
    }
}

std::string cut_back(int fd, const SavedOutput& saved, bool truncate) {
    struct stat now {};
    if (!saved.file || ::fstat(fd, &now) != 0 || !S_ISREG(now.st_mode))
        return "what was written since the checkpoint may be there twice: it did not go to a file "
               "of its own";
    if (!same_file(now, *saved.file)) {
        if (truncate) cut_off(fd);
        return "goes on in another file than before the checkpoint";
    }
    if (static_cast<std::uint64_t>(now.st_size) < saved.file->length)
        return fmt::format("the file is shorter ({} bytes) than at the checkpoint ({})",
                           now.st_size, saved.file->length);
    if (::ftruncate(fd, static_cast<off_t>(saved.file->length)) != 0)
        return fmt::format("cannot be cut back to the checkpoint: {}", errno_text());
    // Slurm opens it to append; where it was not, the next write is at the end all the same.
    ::lseek(fd, 0, SEEK_END);
    return {};
}

void cut_off(int fd) {
    struct stat now {};
    if (::fstat(fd, &now) != 0 || !S_ISREG(now.st_mode)) return;
    if (::ftruncate(fd, 0) == 0) ::lseek(fd, 0, SEEK_END);
}

}  // namespace holon::run

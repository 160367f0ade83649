// SPDX-License-Identifier: GPL-2.0-or-later
#include "plugins/checkpoint/store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>

#include "plugins/checkpoint/part.h"
#include "plugins/os/error.h"
#include "plugins/os/fd.h"
#include "plugins/os/file.h"

namespace holon::checkpoint {
namespace fs = std::filesystem;
namespace {

constexpr const char* manifest_name = "manifest.json";
constexpr const char* unfinished = ".part";
constexpr const char* leaving = ".gone";

// nullopt: not a whole number without leading zeros.
std::optional<std::uint32_t> number_of(std::string_view text) {
    std::uint32_t number = 0;
    const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{} || stop != text.data() + text.size() || text.front() == '0')
        return std::nullopt;
    return number;
}

std::vector<std::string> names_in(const fs::path& folder) {
    std::vector<std::string> names;
    std::error_code error;
    for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error))
        names.push_back(at->path().filename().string());
    if (error && error != std::errc::no_such_file_or_directory)
        throw Error("{}: {}", folder.string(), error.message());
    return names;
}

void sync_folder(const fs::path& folder) {
    const os::Fd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd.valid() || ::fsync(fd.get()) != 0) throw Error("{}: {}", folder.string(), errno_text());
}

// False where it is there.
bool make_folder(const fs::path& folder) {
    if (::mkdir(folder.c_str(), 0700) == 0) return true;
    if (errno != EEXIST) throw Error("{}: {}", folder.string(), errno_text());
    return false;
}

void make_folders(const fs::path& folder) {
    std::error_code none;
    if (fs::is_directory(folder, none)) return;
    if (folder.has_relative_path()) make_folders(folder.parent_path());
    if (make_folder(folder)) sync_folder(folder.parent_path());
}

fs::path folder_of(const fs::path& dir, std::uint32_t job) { return dir / std::to_string(job); }

void rename_folder(const fs::path& from, const fs::path& to) {
    if (::rename(from.c_str(), to.c_str()) != 0) throw Error("{}: {}", to.string(), errno_text());
    sync_folder(to.parent_path());
}

// First it loses its name, so that nobody takes what is left of it for a checkpoint.
void remove_folder(const fs::path& folder) {
    const fs::path gone = folder.string() + leaving;
    os::remove_tree(gone);
    if (::rename(folder.c_str(), gone.c_str()) != 0) {
        if (errno == ENOENT) return;
        throw Error("{}: {}", folder.string(), errno_text());
    }
    os::remove_tree(gone);
}

std::string size_text(std::uint64_t bytes) { return fmt::format("{} MB", (bytes >> 20) + 1); }

void check_room(const fs::path& folder, std::uint64_t needed, std::uint64_t min_free) {
    struct statvfs facts {};
    if (::statvfs(folder.c_str(), &facts) != 0)
        throw Error("{}: {}", folder.string(), errno_text());
    const std::uint64_t free = std::uint64_t{facts.f_bavail} * facts.f_frsize;
    if (free < needed + min_free)
        throw Error(
            "{}: up to {} are needed (and {} must stay free), {} are free; remove old "
            "checkpoints (holon checkpoint rm)",
            folder.string(), size_text(needed), size_text(min_free), size_text(free));
}

}  // namespace

fs::path folder_of_user(const std::string& configured, const std::string& user,
                        const std::string& home) {
    std::string text = configured;
    if (text == "~" || text.starts_with("~/")) text = home + text.substr(1);
    for (std::size_t at = 0; (at = text.find("%u", at)) != text.npos; at += user.size())
        text.replace(at, 2, user);
    if (!text.starts_with('/'))
        throw Error("checkpoints.dir '{}': not an absolute path for {}", configured, user);
    return text;
}

void sweep(const fs::path& dir, std::uint32_t job) {
    const fs::path folder = folder_of(dir, job);
    for (const std::string& name : names_in(folder)) {
        const std::size_t dot = std::min(name.find('.'), name.size());
        if (number_of(std::string_view(name).substr(0, dot)) &&
            (name.find(unfinished) == dot || name.find(leaving) == dot))
            os::remove_tree(folder / name);
    }
}

Begun begin(const fs::path& dir, std::uint32_t job, std::uint64_t needed, std::uint64_t min_free) {
    const fs::path folder = folder_of(dir, job);
    make_folders(folder);
    std::uint32_t newest = 0;
    // A number that was begun is not used again, though nothing of it is left.
    for (const std::string& name : names_in(folder))
        if (const auto number = number_of(std::string_view(name).substr(0, name.find('.'))))
            newest = std::max(newest, *number);
    sweep(dir, job);  // nobody else saves this job: what is not finished never will be
    check_room(folder, needed, min_free);
    for (;;) {
        if (newest >= most_number) throw Error("{}: no number is left", folder.string());
        Begun begun{++newest, folder / (std::to_string(newest) + unfinished)};
        if (make_folder(begun.folder)) return begun;
    }
}

fs::path commit(const fs::path& folder, const Manifest& manifest) {
    const fs::path final = folder.parent_path() / std::to_string(manifest.number);
    if (folder.filename() != std::to_string(manifest.number) + unfinished)
        throw Error("{}: not where checkpoint {} was begun", folder.string(), manifest.number);
    for (const SavedVm& vm : manifest.vms)
        for (const Part* part : {&vm.memory, vm.disk ? &*vm.disk : nullptr}) {
            struct stat facts {};
            if (part != nullptr && (::lstat((folder / part->file).c_str(), &facts) != 0 ||
                                    static_cast<std::uint64_t>(facts.st_size) != part->bytes))
                throw Error("{}: not there, or not whole; is {} the same folder on all nodes?",
                            (folder / part->file).string(), folder.parent_path().string());
        }
    os::write_file_atomically(folder / manifest_name, to_json(manifest), 0600);
    sync_folder(folder);
    if (fs::exists(final)) throw Error("{}: it is there already", final.string());
    rename_folder(folder, final);
    return final;
}

void abandon(const fs::path& folder) {
    if (folder.extension() != unfinished)
        throw Error("{}: not an unfinished checkpoint", folder.string());
    os::remove_tree(folder);
}

Manifest read_manifest(const fs::path& folder) {
    const fs::path file = folder / manifest_name;
    const os::Fd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
    struct stat facts {};
    if (!fd.valid() || ::fstat(fd.get(), &facts) != 0)
        throw Error("{}: {}", file.string(), errno_text());
    if (!S_ISREG(facts.st_mode)) throw Error("{}: not a regular file", file.string());
    if (facts.st_size > static_cast<off_t>(longest_manifest))
        throw Error("{}: longer than {} bytes", file.string(), longest_manifest);
    std::string text(static_cast<std::size_t>(facts.st_size), '\0');
    const ssize_t got = ::pread(fd.get(), text.data(), text.size(), 0);
    if (got < 0) throw Error("{}: {}", file.string(), errno_text());
    text.resize(static_cast<std::size_t>(got));
    try {
        Manifest manifest = from_json(text);
        if (folder.filename() != std::to_string(manifest.number))
            throw Error("manifest: of checkpoint {}", manifest.number);
        return manifest;
    } catch (const Error& error) {
        throw Error("{}: {}", folder.string(), error.what());
    }
}

Manifest verify(const fs::path& folder) {
    Manifest manifest = read_manifest(folder);
    for (const SavedVm& vm : manifest.vms) {
        read_part(folder / vm.memory.file, vm.memory, -1);
        if (vm.disk) read_part(folder / vm.disk->file, *vm.disk, -1);
    }
    return manifest;
}

std::vector<Entry> list(const fs::path& dir, std::uint32_t job) {
    std::vector<Entry> entries;
    for (const std::string& name : names_in(folder_of(dir, job))) {
        const auto number = number_of(name);
        if (!number) continue;
        Entry entry;
        entry.number = *number;
        entry.folder = folder_of(dir, job) / name;
        try {
            entry.manifest = read_manifest(entry.folder);
        } catch (const Error& error) {
            entry.fault = error.what();
        }
        entries.push_back(std::move(entry));
    }
    std::sort(entries.begin(), entries.end(),
              [](const Entry& a, const Entry& b) { return a.number < b.number; });
    return entries;
}

std::vector<std::uint32_t> jobs(const fs::path& dir) {
    std::vector<std::uint32_t> jobs;
    for (const std::string& name : names_in(dir))
        if (const auto job = number_of(name)) jobs.push_back(*job);
    std::sort(jobs.begin(), jobs.end());
    return jobs;
}

Newest newest_good(const fs::path& dir, std::uint32_t job) {
    std::vector<Entry> entries = list(dir, job);
    Newest newest;
    while (!entries.empty()) {
        Entry entry = std::move(entries.back());
        entries.pop_back();
        try {
            if (!entry.manifest) throw Error("{}", entry.fault);
            verify(entry.folder);
            newest.good = std::move(entry);
            return newest;
        } catch (const Error& error) {
            newest.refused.emplace_back(error.what());
        }
    }
    throw Error(
        "{}: {}", folder_of(dir, job).string(),
        newest.refused.empty() ? "no checkpoint" : "no good checkpoint; " + newest.refused[0]);
}

std::vector<std::uint32_t> prune(const fs::path& dir, std::uint32_t job, std::uint32_t keep) {
    std::vector<Entry> entries = list(dir, job);
    std::vector<std::uint32_t> removed;
    std::uint32_t good = 0;
    for (auto entry = entries.rbegin(); entry != entries.rend(); ++entry) {
        if (good >= std::max(1u, keep)) {
            remove_folder(entry->folder);
            removed.push_back(entry->number);
        }
        good += entry->manifest ? 1 : 0;
    }
    return removed;
}

void remove(const fs::path& dir, std::uint32_t job, std::uint32_t number) {
    const fs::path folder = folder_of(dir, job);
    const fs::path one = number == 0 ? folder : folder / std::to_string(number);
    std::error_code none;
    if (!fs::is_directory(fs::symlink_status(one, none)))
        throw Error("{}: no such checkpoint", one.string());
    if (number != 0) return remove_folder(one);
    for (const Entry& entry : list(dir, job)) remove_folder(entry.folder);
    os::remove_tree(folder);
}

}  // namespace holon::checkpoint

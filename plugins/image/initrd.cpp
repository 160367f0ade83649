// SPDX-License-Identifier: GPL-2.0-or-later
// The agent reaches any image unmodified: the kernel unpacks several archives one after the other,
// so holon-guest travels in a small one behind the image's own initramfs.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <deque>
#include <set>

#include "plugins/image/cpio.h"
#include "plugins/image/digest.h"
#include "plugins/image/image.h"
#include "plugins/os/error.h"
#include "plugins/os/file.h"

namespace holon::image {
namespace {

void write_or_throw(int fd, std::string_view data, const std::string& path) {
    if (!os::write_all(fd, data.data(), data.size()))
        throw Error("{}: {}", path, errno_text(EPIPE));
}

// Every file of the engine, and what changes when one of them does.
struct Engine {
    std::vector<std::filesystem::path> files;  // relative to its folder, by name
    std::string facts;
};

Engine engine_in(const std::filesystem::path& folder) {
    Engine engine;
    if (folder.empty()) return engine;
    std::error_code error;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder, error))
        if (entry.is_regular_file())
            engine.files.push_back(entry.path().lexically_relative(folder));
    if (engine.files.empty())
        throw Error("{}: the engine of --vm-smp is not installed", folder.string());
    std::sort(engine.files.begin(), engine.files.end());
    for (const auto& file : engine.files) {
        struct stat facts {};
        if (::stat((folder / file).c_str(), &facts) != 0)
            throw Error("{}: {}", (folder / file).string(), errno_text());
        engine.facts += file.string() + " " + file_facts(facts);
    }
    return engine;
}

// The archive that lies behind the image's own. Folders come before what is in them.
std::string passengers(const std::string& agent_binary, const std::filesystem::path& folder,
                       const Engine& engine) {
    std::vector<CpioEntry> entries{{"holon", S_IFDIR | 0755, {}},
                                   {"holon/holon-guest", S_IFREG | 0755, agent_binary}};
    std::deque<std::string> contents;
    std::set<std::string> folders{""};
    if (!engine.files.empty()) entries.push_back({"holon/smp", S_IFDIR | 0755, {}});
    for (const auto& file : engine.files) {
        const auto name = "holon/smp/" + file.string();
        if (const auto parent = file.parent_path().string(); folders.insert(parent).second)
            entries.push_back({"holon/smp/" + parent, S_IFDIR | 0755, {}});
        contents.push_back(os::read_file(folder / file));
        entries.push_back({name, S_IFREG | 0755, contents.back()});
    }
    return cpio_archive(entries);
}

// Where the archive of IMAGE is, or will be.
std::filesystem::path prepared_path(const Image& image, const std::string& agent_binary,
                                    const std::string& engine,
                                    const std::filesystem::path& cache_dir) {
    struct stat facts {};
    if (::stat(image.initrd.c_str(), &facts) != 0)
        throw Error("{}: {}", image.initrd.string(), errno_text());
    // Named after the initramfs alone, not the image: all users' disks that boot one kernel share
    // one file.
    std::string key =
        sha256(image.initrd.string() + "\n" + file_facts(facts) + sha256(agent_binary) + engine);
    return cache_dir / fmt::format("initrd-{}.cpio", key.substr(0, 32));
}

}  // namespace

std::vector<bool> prepared(const std::vector<Image>& images, const std::filesystem::path& agent,
                           const std::filesystem::path& cache_dir) {
    const std::string agent_binary = os::read_file(agent);
    std::vector<bool> result;
    for (const Image& image : images) {
        try {
            result.push_back(
                std::filesystem::exists(prepared_path(image, agent_binary, {}, cache_dir)));
        } catch (const Error&) {
            result.push_back(false);  // its files are not there
        }
    }
    return result;
}

std::filesystem::path initrd_with_agent(const Image& image, const std::filesystem::path& agent,
                                        const std::filesystem::path& cache_dir,
                                        const std::filesystem::path& engine_folder) {
    const std::string agent_binary = os::read_file(agent);
    const Engine engine = engine_in(engine_folder);
    const auto path = prepared_path(image, agent_binary, engine.facts, cache_dir);
    if (std::filesystem::exists(path)) return path;

    std::string initrd = os::read_file(image.initrd);
    // Between two archives the kernel takes zeros up to the next multiple of four.
    initrd.append((4 - initrd.size() % 4) % 4, '\0');

    std::filesystem::create_directories(cache_dir);
    // Several jobs may start at once: each writes a file of its own, the renames put the same
    // content there.
    std::string temporary = path.string() + ".XXXXXX";
    os::Fd fd(::mkostemp(temporary.data(), O_CLOEXEC));
    if (!fd.valid()) throw Error("{}: {}", temporary, errno_text());
    try {
        write_or_throw(fd.get(), initrd, temporary);
        write_or_throw(fd.get(), passengers(agent_binary, engine_folder, engine), temporary);
        // QEMU opens it as the job's user.
        if (::fchmod(fd.get(), 0644) != 0 || ::fsync(fd.get()) != 0 ||
            ::rename(temporary.c_str(), path.c_str()) != 0)
            throw Error("{}: {}", path.string(), errno_text());
    } catch (...) {
        ::unlink(temporary.c_str());
        throw;
    }
    return path;
}

}  // namespace holon::image

// SPDX-License-Identifier: GPL-2.0-or-later
#include "plugins/image/user_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>

#include "plugins/image/catalogue.h"
#include "plugins/image/digest.h"
#include "plugins/image/image.h"
#include "plugins/os/error.h"
#include "plugins/os/file.h"

namespace holon::image {
namespace fs = std::filesystem;
namespace {

constexpr std::uint64_t sector = 512;
constexpr std::chrono::seconds qemu_img_timeout{20};

std::string read_at(int fd, std::uint64_t offset, std::size_t size) {
    std::string bytes(size, '\0');
    std::size_t got = 0;
    while (got < size) {
        ssize_t n = ::pread(fd, bytes.data() + got, size - got, static_cast<off_t>(offset + got));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) throw Error("{}", errno_text());
        if (n == 0) break;
        got += static_cast<std::size_t>(n);
    }
    bytes.resize(got);
    return bytes;
}

// As QEMU wants a text within its option lists.
std::string with_doubled_commas(const std::string& text) {
    std::string doubled;
    for (char c : text) doubled.append(c == ',' ? 2 : 1, c);
    return doubled;
}

// The guest's view of a qcow2 file lies behind tables and compressed clusters, which qemu-img reads
// for us: as the user, so that a file made to break it gains nothing its author does not have.
class Qcow2Reader {
  public:
    Qcow2Reader(fs::path file, os::Identity who, std::uint64_t virtual_size)
        : file_(std::move(file)), who_(std::move(who)), virtual_size_(virtual_size) {
        std::string scratch = fs::temp_directory_path() / "holon-probe.XXXXXX";
        if (::mkdtemp(scratch.data()) == nullptr) throw Error("{}: {}", scratch, errno_text());
        scratch_ = scratch;
        if (::geteuid() == 0 && ::chown(scratch_.c_str(), who_.uid, who_.gid) != 0)
            throw Error("{}: {}", scratch_.string(), errno_text());
    }
    Qcow2Reader(const Qcow2Reader&) = delete;
    Qcow2Reader& operator=(const Qcow2Reader&) = delete;
    ~Qcow2Reader() {
        try {
            os::remove_tree(scratch_);
        } catch (const Error&) {
            // A few KiB stay in /tmp; the probe's own result counts.
        }
    }

    std::string read(std::uint64_t offset, std::size_t size) const {
        std::uint64_t first = offset / sector * sector;
        std::uint64_t end = std::min((offset + size + sector - 1) / sector * sector,
                                     virtual_size_ / sector * sector);
        if (first >= end) return {};
        os::RunOptions options;
        options.timeout = qemu_img_timeout;
        if (::geteuid() == 0) options.as = who_;
        fs::path piece = scratch_ / "piece";
        // A window of the disk as a disk of its own. (qemu-img dd counts differently from one
        // release to the next.)
        std::string window = fmt::format(
            "driver=raw,offset={},size={},file.driver=qcow2,file.file.driver=file,file.file."
            "filename={}",
            first, end - first, with_doubled_commas(file_));
        os::run_checked(
            {"qemu-img", "convert", "--image-opts", "-O", "raw", window, piece.string()}, options);
        // The folder is the user's, who may have put anything in the place of the piece.
        os::Fd fd = os::open_as(who_, piece, O_RDONLY);
        std::string bytes = read_at(fd.get(), 0, end - first);
        return bytes.size() <= offset - first ? std::string() : bytes.substr(offset - first, size);
    }

  private:
    fs::path file_;
    os::Identity who_;
    std::uint64_t virtual_size_;
    fs::path scratch_;
};

void look_into(const fs::path& path, const os::Identity& who, int fd, DiskFile& disk) {
    std::string head = read_at(fd, 0, probe_bytes);
    if (is_qcow2(head)) {
        disk.format = "qcow2";
        Qcow2Reader reader(path, who, read_qcow2_header(head).virtual_size);
        disk.root = find_root(
            [&](std::uint64_t offset, std::size_t size) { return reader.read(offset, size); });
    } else {
        disk.format = "raw";
        disk.root = find_root(
            [&](std::uint64_t offset, std::size_t size) { return read_at(fd, offset, size); });
    }
}

}  // namespace

DiskFile probe_file(const fs::path& path, const os::Identity& who) {
    os::Fd fd = os::open_as(who, path, O_RDONLY);
    DiskFile disk;
    if (::fstat(fd.get(), &disk.facts) != 0) throw Error("{}: {}", path.string(), errno_text());
    if (!S_ISREG(disk.facts.st_mode))
        throw Error("{}: not a regular file; give a disk image", path.string());
    try {
        look_into(path, who, fd.get(), disk);
    } catch (const Error& error) {
        throw Error("{}: {}", path.string(), error.what());
    }
    return disk;
}

Image find(const config::Config& config, const std::string& name_or_path, const os::Identity& who) {
    if (name_or_path.find('/') == std::string::npos) return find_in_catalogue(config, name_or_path);
    if (!config.images.allow_user_files)
        throw Error(
            "image '{}': users' own files are not allowed here; give a name of the catalogue (see "
            "holon image list)",
            name_or_path);
    if (name_or_path.front() != '/') throw Error("image '{}': give an absolute path", name_or_path);
    DiskFile disk;
    try {
        disk = probe_file(name_or_path, who);
    } catch (const Error& error) {
        throw Error("image {}", error.what());
    }
    Image image = find_in_catalogue(config, config.images.user_file_kernel);
    image.name = name_or_path;
    image.user_file = true;
    image.disk = name_or_path;
    image.disk_format = disk.format;
    image.root = disk.root.device();
    image.root_type = disk.root.type;
    image.description = fmt::format("{} disk, {} on {}, kernel of '{}'", disk.format,
                                    image.root_type, image.root, config.images.user_file_kernel);
    image.size_bytes += static_cast<std::uint64_t>(disk.facts.st_size);
    image.identity =
        sha256(image.identity + name_or_path + "\n" + file_facts(disk.facts)).substr(0, 32);
    return image;
}

}  // namespace holon::image

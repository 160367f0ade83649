// SPDX-License-Identifier: GPL-2.0-or-later
#define FUSE_USE_VERSION 35
#include "ssi/view/server.h"

#include <fuse.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <map>
#include <memory>
#include <mutex>
#include <sstream>
#include <thread>

#include "plugins/os/error.h"
#include "ssi/view/files.h"

namespace holon::ssi::view {
namespace {

constexpr std::size_t max_packet = 512 * 1024;

std::mutex reports_mutex;
std::map<std::uint32_t, Report> reports;
KernelCpus home_kernel;

std::string text_of(const char* path) {
    std::ifstream in(path);
    std::ostringstream text;
    text << in.rdbuf();
    return text.str();
}

std::uint64_t kilobytes(const std::string& meminfo, const char* name) {
    const std::size_t at = meminfo.find(name);
    return at == std::string::npos
               ? 0
               : std::strtoull(meminfo.c_str() + at + std::strlen(name), nullptr, 10);
}

// Which CPUs and nodes there are.
Machine outline() {
    Machine whole;
    const std::lock_guard lock(reports_mutex);
    for (const auto& [number, report] : reports) {
        if (whole.nodes.size() <= number) whole.nodes.resize(number + 1);
        whole.nodes[number] = report;
    }
    if (whole.nodes.empty()) whole.nodes.resize(1);
    whole.nodes[0].up = true;
    return whole;
}

// The home as it is now, the others as they were when they were last heard; as far as the file at
// PATH needs it: a kernel with many CPUs takes its time for some of these.
Machine machine(std::string_view path) {
    Machine whole = outline();
    if (path.starts_with("proc/")) {
        whole.stat = text_of("/proc/stat");
        whole.loadavg = text_of("/proc/loadavg");
        whole.nodes[0] = make_report(path == "proc/cpuinfo" ? text_of("/proc/cpuinfo") : "",
                                     whole.stat, whole.loadavg, whole.nodes[0].cpus, home_kernel);
    }
    if (path.ends_with("/meminfo")) {
        const std::string meminfo = text_of("/proc/meminfo");
        whole.memory = kilobytes(meminfo, "MemTotal:");
        whole.free = kilobytes(meminfo, "MemFree:");
    }
    return whole;
}

int get_attributes(const char* path, struct stat* status, fuse_file_info*) {
    const Machine whole = outline();
    *status = {};
    status->st_nlink = 1;
    if (folder(whole, path + 1)) {
        status->st_mode = S_IFDIR | 0555;
        return 0;
    }
    if (!file(whole, path + 1)) return -ENOENT;
    status->st_mode = S_IFREG | 0444;
    // As in proc; sysfs says a page.
    status->st_size = std::strncmp(path, "/proc/", 6) == 0 ? 0 : 4096;
    return 0;
}

int read_folder(const char* path, void* buffer, fuse_fill_dir_t fill, off_t, fuse_file_info*,
                fuse_readdir_flags) {
    const auto names = folder(outline(), path + 1);
    if (!names) return -ENOENT;
    fill(buffer, ".", nullptr, 0, fuse_fill_dir_flags{});
    fill(buffer, "..", nullptr, 0, fuse_fill_dir_flags{});
    for (const std::string& name : *names)
        fill(buffer, name.c_str(), nullptr, 0, fuse_fill_dir_flags{});
    return 0;
}

// A file is what it is when it is opened, or read from its beginning again.
int open_file(const char* path, fuse_file_info* info) {
    auto text = file(machine(path + 1), path + 1);
    if (!text) return -ENOENT;
    info->fh = reinterpret_cast<std::uint64_t>(new std::string(std::move(*text)));
    info->direct_io = 1;
    return 0;
}

int read_file(const char* path, char* to, std::size_t size, off_t offset, fuse_file_info* info) {
    auto& text = *reinterpret_cast<std::string*>(info->fh);
    if (offset == 0)
        if (auto now = file(machine(path + 1), path + 1)) text = std::move(*now);
    if (offset < 0 || static_cast<std::size_t>(offset) >= text.size()) return 0;
    return static_cast<int>(text.copy(to, size, static_cast<std::size_t>(offset)));
}

int release_file(const char*, fuse_file_info* info) {
    delete reinterpret_cast<std::string*>(info->fh);
    return 0;
}

void hear_daemon() {
    std::string packet(max_packet, '\0');
    for (;;) {
        const ssize_t count = ::recv(server_fd, packet.data(), packet.size(), 0);
        if (count < 0 && errno == EINTR) continue;
        if (count < 4) break;
        std::uint32_t number = 0;
        std::memcpy(&number, packet.data(), sizeof number);
        try {
            Report report = decode_report({packet.data() + 4, static_cast<std::size_t>(count) - 4});
            const std::lock_guard lock(reports_mutex);
            if (number < 32) reports[number] = std::move(report);
        } catch (const std::exception&) {
            continue;  // the daemon checks what it passes on
        }
    }
    // The daemon has ended. The file system goes with the last namespace that has it.
    ::umount2(server_folder, MNT_DETACH);
}

int serve() {
    if (::unshare(CLONE_NEWNS) != 0 ||
        ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
        throw Error("no mount namespace: {}", errno_text());
    fuse_operations operations{};
    operations.getattr = get_attributes;
    operations.readdir = read_folder;
    operations.open = open_file;
    operations.read = read_file;
    operations.release = release_file;
    char name[] = "ssid-view",
         option[] = "-oallow_other,ro,fsname=ssi,attr_timeout=0,entry_timeout=0";
    char* words[] = {name, option, nullptr};
    fuse_args arguments = FUSE_ARGS_INIT(2, words);
    const std::unique_ptr<fuse, void (*)(fuse*)> server(
        fuse_new(&arguments, &operations, sizeof operations, nullptr), fuse_destroy);
    if (!server || fuse_mount(server.get(), server_folder) != 0)
        throw Error("FUSE is refused at {}", server_folder);
    std::thread(hear_daemon).detach();
    char ready = 1;
    ::send(server_fd, &ready, 1, MSG_NOSIGNAL);
    fuse_loop(server.get());
    return 0;
}

}  // namespace

int run_server() {
    ::prctl(PR_SET_NAME, server_program);
    ::signal(SIGPIPE, SIG_IGN);
    // Which CPUs of this kernel programs use: those that the daemon, and so this process, may use.
    cpu_set_t* set = CPU_ALLOC(CpuMask::capacity * 4);
    if (::sched_getaffinity(0, CPU_ALLOC_SIZE(CpuMask::capacity * 4), set) == 0)
        std::memcpy(home_kernel.words, set, sizeof home_kernel.words);
    CPU_FREE(set);
    return serve();
}

}  // namespace holon::ssi::view

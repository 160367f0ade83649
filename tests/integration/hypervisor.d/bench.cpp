// SPDX-License-Identifier: GPL-2.0-or-later
#include "bench.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>
#include <thread>

#include "plugins/os/error.h"
#include "plugins/os/file.h"
#include "plugins/os/process.h"

namespace holon::trial {
namespace {

namespace fs = std::filesystem;

std::string setting(const char* name) {
    const char* value = std::getenv(name);
    if (!value) throw Error("{} is not set; run hypervisor_test.sh", name);
    return value;
}

os::Fd connect_to(const fs::path& path) {
    os::Fd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
    if (connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) fd.reset();
    return fd;
}

void write_file(const fs::path& path, const std::string& text) {
    std::ofstream file(path);
    file << text << std::flush;
    if (!file) throw Error("cannot write {} to {}", text, path.string());
}

// One member of a cpio archive in "newc" form.
std::string archived(const std::string& name, const std::string& content, unsigned mode) {
    std::string out = fmt::format(
        "070701{:08x}{:08x}{:08x}{:08x}{:08x}{:08x}{:08x}{:08x}{:08x}{:08x}{:08x}{:08x}{:08x}", 1,
        mode, 0, 0, 1, 0, content.size(), 0, 0, 0, 0, name.size() + 1, 0);
    out += name + '\0';
    out.resize((out.size() + 3) / 4 * 4);
    out += content;
    out.resize((out.size() + 3) / 4 * 4);
    return out;
}

// UNDER: an initramfs whose files the guest finds too.
fs::path guest_initrd(const std::string& name, const std::string& under) {
    fs::path made = fs::path(setting("HOLON_TRIAL_DIR")) / name;
    if (!fs::exists(made))
        std::ofstream(made, std::ios::binary)
            << under << archived("init", os::read_file(HYPERVISOR_GUEST), 0100755)
            << archived("TRAILER!!!", "", 0);
    return made;
}

}  // namespace

bool eventually(const std::function<bool()>& holds) {
    const auto deadline = std::chrono::steady_clock::now() + patience;
    while (!holds()) {
        if (std::chrono::steady_clock::now() > deadline) return false;
        ::poll(nullptr, 0, 10);
    }
    return true;
}

void Libvirtd::start() {
    pid_ = fork();
    if (pid_ < 0) throw Error("fork: {}", errno_text());
    if (pid_ == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        const int log = open("/run/libvirtd.log", O_WRONLY | O_CREAT | O_APPEND, 0600);
        dup2(log, 1);
        dup2(log, 2);
        execlp("libvirtd", "libvirtd", "--pid-file", "/run/libvirtd.pid",
               static_cast<char*>(nullptr));
        _exit(127);
    }
}

void Libvirtd::stop(int signal) {
    kill(pid_, signal);
    waitpid(pid_, nullptr, 0);
    // Where the next one would find a stale socket of a killed one, it takes it over.
    pid_ = -1;
}

void Ends::add(const vm::Ended& ended) {
    std::lock_guard guard(lock_);
    ends_.push_back(ended);
    changed_.notify_all();
}

std::optional<vm::Ended> Ends::wait_for(const std::string& domain) {
    std::unique_lock guard(lock_);
    std::optional<vm::Ended> found;
    changed_.wait_for(guard, patience, [&] {
        for (const auto& ended : ends_)
            if (ended.domain == domain) found = ended;
        return found.has_value();
    });
    return found;
}

std::vector<vm::Ended> Ends::all() {
    std::lock_guard guard(lock_);
    return ends_;
}

Console::Console(const fs::path& socket) : socket_(connect_to(socket)) {
    if (!socket_.valid()) throw Error("{}: {}", socket.string(), errno_text());
}

bool Console::wait_for(const std::string& text) {
    const auto deadline = std::chrono::steady_clock::now() + patience;
    while (seen_.find(text) == seen_.npos) {
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
            deadline - std::chrono::steady_clock::now());
        pollfd readable{socket_.get(), POLLIN, 0};
        if (left.count() <= 0 || poll(&readable, 1, static_cast<int>(left.count())) <= 0)
            return false;
        char part[4096];
        const ssize_t size = read(socket_.get(), part, sizeof part);
        if (size <= 0) return false;
        seen_.append(part, static_cast<std::size_t>(size));
    }
    return true;
}

void Console::say(const std::string& line) {
    const std::string text = line + "\n";
    os::write_all(socket_.get(), text.data(), text.size());
}

std::uint64_t Console::ask(const std::string& line, const std::string& word) {
    seen_.clear();
    say(line);
    // The number is whole when the end of its line has come.
    std::size_t at = 0;
    const std::string before = "\n" + word + " ";
    if (!wait_for(before)) throw Error("no answer to '{}' but '{}'", line, seen_);
    at = seen_.find(before) + before.size();
    while (seen_.find('\n', at) == seen_.npos) {
        const std::string so_far = seen_;
        seen_.clear();
        if (!wait_for("\n")) throw Error("half an answer to '{}'", line);
        seen_ = so_far + seen_;
    }
    return std::stoull(seen_.substr(at));
}

Job::Job(std::uint64_t limit_mb) {
    std::istringstream list(
        setting("HOLON_TRIAL_CGROUPS"));  // the test's own directory in each hierarchy
    for (std::string parent; list >> parent;) {
        const fs::path job = fs::path(parent) / "uid_1000" / fmt::format("job_{}", job_id);
        fs::path made = parent;
        for (const char* part : {"uid_1000", "job_7", "step_extern"}) {
            const fs::path below = made / part;
            fs::create_directory(below);
            // The job gets one CPU of those that there are.
            for (const char* name : {"cpuset.cpus", "cpuset.mems"})
                if (fs::exists(below / name)) write_file(below / name, os::read_file(made / name));
            if (below == job && fs::exists(job / "cpuset.cpus"))
                write_file(job / "cpuset.cpus", "0");
            made = below;
        }
        if (fs::exists(job / "memory.limit_in_bytes"))
            write_file(job / "memory.limit_in_bytes", std::to_string(limit_mb << 20));
        directories.push_back(job);
    }
    member_ = fork();
    if (member_ == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;) pause();
    }
    for (const auto& job : directories)
        write_file(job / "step_extern/cgroup.procs", std::to_string(member_));
}

Job::~Job() {
    kill(member_, SIGKILL);
    waitpid(member_, nullptr, 0);
    for (const auto& job : directories) {
        rmdir((job / "step_extern").c_str());
        rmdir(job.c_str());
        rmdir(job.parent_path().c_str());
    }
}

vm::Machine machine(std::uint32_t index) {
    const fs::path directory = setting("HOLON_TRIAL_DIR");
    vm::Machine machine;
    machine.job = {job_id, 0};
    machine.vm.index = index;
    machine.vm.name = fmt::format("vm{}", index);
    machine.vm.cpus = 1;
    machine.vm.memory_mb = 256;
    machine.uid = machine.gid = 1000;
    machine.kernel = setting("HOLON_TRIAL_KERNEL");
    machine.initrd = guest_initrd("guest.cpio", "");
    machine.command_line =
        "console=ttyS0 rdinit=/init panic=-1 loglevel=1 cryptomgr.notests mitigations=off nokaslr "
        "tsc=reliable "
        "no_timer_check ipv6.disable=1 apparmor=0 audit=0 random.trust_cpu=on nowatchdog "
        "initcall_blacklist=init_kprobe_trace,load_system_certificate_list,event_trace_init";
    machine.channel_socket = directory / (machine.vm.name + ".channel");
    machine.console_socket = directory / (machine.vm.name + ".console");
    return machine;
}

vm::Machine machine_with_disk(std::uint32_t index) {
    const fs::path directory = setting("HOLON_TRIAL_DIR");
    vm::Machine machine = trial::machine(index);
    machine.initrd = guest_initrd(
        "disk.cpio",
        os::read_file(fs::path(setting("HOLON_TRIAL_KERNEL")).parent_path() / "initrd.cpio"));
    machine.disk.base = directory / "base.raw";
    machine.disk.base_format = "raw";
    if (!fs::exists(machine.disk.base)) {
        std::ofstream(machine.disk.base).close();
        fs::resize_file(machine.disk.base, 16u << 20);
    }
    return machine;
}

fs::path overlay(const vm::Machine& machine, const std::string& name) {
    fs::path path = fs::path(setting("HOLON_TRIAL_DIR")) / name;
    fs::remove(path);
    os::run_checked({"qemu-img", "create", "-q", "-f", "qcow2", "-F", machine.disk.base_format,
                     "-b", machine.disk.base, path});
    if (::chown(path.c_str(), machine.uid, machine.gid) != 0)
        throw Error("{}: {}", path.string(), errno_text());
    return path;
}

std::string status_field(pid_t pid, const std::string& key) {
    std::istringstream lines(
        os::read_file_if_exists(fmt::format("/proc/{}/status", pid)).value_or(""));
    for (std::string line; std::getline(lines, line);)
        if (line.starts_with(key + ":\t")) return line.substr(key.size() + 2);
    return {};
}

std::uint64_t number_in(const fs::path& file) { return std::stoull(os::read_file(file)); }

}  // namespace holon::trial

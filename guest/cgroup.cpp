// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/cgroup.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <fstream>
#include <set>
#include <string_view>
#include <system_error>

namespace holon::guest {

Cgroup::Cgroup(std::string path) : path_(std::move(path)) {
    const auto parent = path_.substr(0, path_.rfind('/'));
    ::mkdir(parent.c_str(), 0755);
    if (::mkdir(path_.c_str(), 0755) < 0 && errno != EEXIST)
        throw std::system_error(errno, std::generic_category(), path_);
    procs_.reset(::open((path_ + "/cgroup.procs").c_str(), O_WRONLY | O_CLOEXEC));
    events_.reset(::open((path_ + "/cgroup.events").c_str(), O_RDONLY | O_CLOEXEC));
    if (!procs_.valid() || !events_.valid()) {
        const int error = errno;
        ::rmdir(path_.c_str());
        throw std::system_error(error, std::generic_category(), path_);
    }
}

Cgroup& Cgroup::operator=(Cgroup&& other) noexcept {
    if (this != &other) {
        remove();
        path_ = std::exchange(other.path_, {});
        procs_ = std::move(other.procs_);
        events_ = std::move(other.events_);
    }
    return *this;
}

bool Cgroup::join() const { return ::write(procs_.get(), "0", 1) == 1; }

void Cgroup::signal(int number) const {
    std::set<pid_t> told;
    for (bool more = true; more;) {
        more = false;
        std::ifstream procs(path_ + "/cgroup.procs");
        for (pid_t pid = 0; procs >> pid;) {
            // A process of another PID namespace reads as 0, and kill(0) would be us.
            if (pid <= 0 || !told.insert(pid).second) continue;
            ::kill(pid, number);
            more = true;
        }
    }
}

void Cgroup::kill() const {
    const os::Fd all(::open((path_ + "/cgroup.kill").c_str(), O_WRONLY | O_CLOEXEC));
    // Linux before 5.14 has no cgroup.kill.
    if (!all.valid() || ::write(all.get(), "1", 1) != 1) signal(SIGKILL);
}

bool Cgroup::populated() const {
    std::array<char, 256> text{};
    const auto size = ::pread(events_.get(), text.data(), text.size(), 0);
    if (size <= 0) return false;
    return std::string_view(text.data(), static_cast<std::size_t>(size)).find("populated 1") !=
           std::string_view::npos;
}

void Cgroup::remove() {
    if (path_.empty()) return;
    procs_.reset();
    events_.reset();
    ::rmdir(path_.c_str());
    path_.clear();
}

}  // namespace holon::guest

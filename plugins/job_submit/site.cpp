// SPDX-License-Identifier: GPL-2.0-or-later
#include "plugins/job_submit/site.h"

#include <pthread.h>
#include <pwd.h>
#include <signal.h>
#include <sys/stat.h>

#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <map>
#include <mutex>
#include <thread>

#include "paths.h"
#include "plugins/config/config.h"
#include "plugins/image/image.h"
#include "plugins/os/error.h"

namespace holon::job_submit {
namespace {

// The catalogue may lie on a network file system, where inotify sees nothing of what other hosts
// write: look at the times of a few files instead.
constexpr std::chrono::seconds interval{3};

void add_stamp(std::string& stamp, const std::filesystem::path& path) {
    struct stat s {};
    if (::stat(path.c_str(), &s) != 0) {
        stamp += "-;";
        return;
    }
    stamp += fmt::format("{}:{}:{}:{}.{};", s.st_dev, s.st_ino, s.st_size, s.st_mtim.tv_sec,
                         s.st_mtim.tv_nsec);
}

// Changes when holon.yaml, a catalogue folder or an image's description does.
std::string stamp_of(const config::Config& config) {
    std::string stamp;
    add_stamp(stamp, config.file.empty() ? paths::config_file : config.file);
    for (const auto& folder : config.images.path) {
        add_stamp(stamp, folder);
        std::error_code error;
        for (const auto& entry : std::filesystem::directory_iterator(folder, error))
            add_stamp(stamp, entry.path() / "image.yaml");
    }
    return stamp;
}

// The users that rules name, by uid. One that this host does not know has no jobs here.
std::map<std::uint32_t, std::string> users_of(const spec::Limits& limits) {
    std::map<std::uint32_t, std::string> users;
    for (const auto& rule : limits.rules) {
        if (rule.user.empty()) continue;
        std::vector<char> room(65536);
        passwd entry{};
        passwd* found = nullptr;
        if (::getpwnam_r(rule.user.c_str(), &entry, room.data(), room.size(), &found) == 0 &&
            found != nullptr)
            users[entry.pw_uid] = rule.user;
    }
    return users;
}

spec::Limits limits_of(const config::Config& config) {
    spec::Limits limits = config.spec_limits();
    for (const auto& image : image::list(config))
        if (!image.kernel.empty()) limits.images.push_back({image.name, image.min_memory_mb});
    return limits;
}

}  // namespace

struct Site::State {
    std::mutex mutex;
    std::condition_variable changed;
    bool stop = false;
    bool ended = false;
    std::shared_ptr<const spec::Limits> limits = std::make_shared<const spec::Limits>();
    std::map<std::uint32_t, std::string> users;  // of the rules, by uid
    void (*on_error)(const char*) = nullptr;

    void read_on() {
        std::string stamp;
        std::string complaint;
        config::Config config;
        for (;;) {
            try {
                std::string now = stamp_of(config);
                if (now != stamp) {
                    config = config::load_default();
                    auto read = std::make_shared<const spec::Limits>(limits_of(config));
                    auto named = users_of(*read);
                    stamp = stamp_of(config);
                    complaint.clear();
                    std::lock_guard lock(mutex);
                    limits = std::move(read);
                    users = std::move(named);
                }
            } catch (const std::exception& error) {
                // the former snapshot stays; said once, tried again
                if (complaint != error.what()) on_error(error.what());
                complaint = error.what();
            }
            std::unique_lock lock(mutex);
            if (changed.wait_for(lock, interval, [this] { return stop; })) break;
        }
        std::lock_guard lock(mutex);
        ended = true;
        changed.notify_all();
    }
};

Site::Site(void (*on_error)(const char* line)) : state_(std::make_shared<State>()) {
    state_->on_error = on_error;
    // slurmctld's signals are for slurmctld's threads.
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    try {
        std::thread([state = state_] { state->read_on(); }).detach();
    } catch (...) {
        pthread_sigmask(SIG_SETMASK, &before, nullptr);
        throw;
    }
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

Site::~Site() {
    std::unique_lock lock(state_->mutex);
    state_->stop = true;
    state_->changed.notify_all();
    state_->changed.wait_for(lock, std::chrono::seconds{2}, [this] { return state_->ended; });
}

std::shared_ptr<const spec::Limits> Site::limits() const {
    std::lock_guard lock(state_->mutex);
    return state_->limits;
}

std::string Site::user_name(std::uint32_t uid) const {
    std::lock_guard lock(state_->mutex);
    const auto found = state_->users.find(uid);
    return found == state_->users.end() ? "" : found->second;
}

}  // namespace holon::job_submit

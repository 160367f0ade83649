// SPDX-License-Identifier: GPL-2.0-or-later
#include "plugins/job_submit/site.h"

#include <pwd.h>

#include <filesystem>
#include <map>
#include <mutex>

#include "paths.h"
#include "plugins/config/config.h"
#include "plugins/image/image.h"
#include "plugins/os/background.h"

namespace holon::job_submit {
namespace {

// The catalogue may lie on a network file system, where inotify sees nothing of what other hosts
// write: look at the times of a few files instead.
constexpr int look_every_ms = 3000;

// Changes when a catalogue folder or an image's description does.
std::string stamp_of_images(const config::Config& config) {
    std::string stamp;
    for (const auto& folder : config.images.path) {
        stamp += os::stamp_of(folder);
        std::error_code error;
        for (const auto& entry : std::filesystem::directory_iterator(folder, error))
            stamp += os::stamp_of(entry.path() / "image.yaml");
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

// What the thread and those who ask share.
struct Site::State {
    std::mutex mutex;
    std::shared_ptr<const spec::Limits> limits = std::make_shared<const spec::Limits>();
    std::map<std::uint32_t, std::string> users;  // of the rules, by uid

    // the thread's own
    void (*on_error)(const char*) = nullptr;
    os::Reading of_config, of_images;
    std::string complaint;
    config::Config config;

    void look() {
        const bool fresh = of_config.due(os::stamp_of(
            config.file.empty() ? std::filesystem::path(paths::config_file) : config.file));
        if (fresh) config = config::load_default();
        if (!of_images.due(stamp_of_images(config)) && !fresh) return;
        auto read = std::make_shared<const spec::Limits>(limits_of(config));
        auto named = users_of(*read);
        of_config.done();
        of_images.done();
        complaint.clear();
        std::lock_guard lock(mutex);
        limits = std::move(read);
        users = std::move(named);
    }
};

Site::Site(void (*on_error)(const char* line)) : state_(std::make_shared<State>()) {
    state_->on_error = on_error;
    thread_ = std::make_unique<os::Background>([state = state_](int wake) {
        try {
            state->look();
        } catch (const std::exception& error) {
            // the former snapshot stays; said once, tried again
            if (state->complaint != error.what()) state->on_error(error.what());
            state->complaint = error.what();
        }
        os::Background::pause(wake, look_every_ms);
    });
}

Site::~Site() = default;

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

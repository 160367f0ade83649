// SPDX-License-Identifier: GPL-2.0-or-later
// Runs a recipe. The scripts in scripts/images say what is in an image; this makes sure that it
// appears in the catalogue whole or not at all.
#include <fcntl.h>
#include <fmt/ranges.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "paths.h"
#include "plugins/image/catalogue.h"
#include "plugins/image/image.h"
#include "plugins/image/slot.h"
#include "plugins/os/error.h"
#include "plugins/os/fd.h"

namespace holon::image {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t kept_words = 64 << 10;

struct Pipe {
    os::Fd read, write;
    Pipe() {
        int fds[2];
        if (::pipe2(fds, O_CLOEXEC) != 0) throw Error("pipe: {}", errno_text());
        read.reset(fds[0]);
        write.reset(fds[1]);
    }
};

// Recipes take minutes and talk while they run, so their lines are passed on as they come, without
// a time limit: the administrator watches and may stop it. The environment is the administrator's
// (proxies for apt).
class RecipeProcess {
  public:
    RecipeProcess(const fs::path& script, const fs::path& folder) : script_(script) {
        std::string cache = fmt::format("HOLON_IMAGE_CACHE={}/recipes", paths::cache_dir);
        std::vector<char*> environment;
        bool own_cache = false;
        for (char** entry = environ; *entry != nullptr; ++entry) {
            own_cache = own_cache || std::string_view(*entry).starts_with("HOLON_IMAGE_CACHE=");
            environment.push_back(*entry);
        }
        if (!own_cache) environment.push_back(cache.data());
        environment.push_back(nullptr);
        std::string program = script.string(), argument = folder.string();
        char* arguments[] = {program.data(), argument.data(), nullptr};

        posix_spawn_file_actions_t actions;
        ::posix_spawn_file_actions_init(&actions);
        ::posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
        ::posix_spawn_file_actions_adddup2(&actions, out_.write.get(), 1);
        ::posix_spawn_file_actions_adddup2(&actions, err_.write.get(), 2);
        int error =
            ::posix_spawn(&pid_, program.c_str(), &actions, nullptr, arguments, environment.data());
        ::posix_spawn_file_actions_destroy(&actions);
        if (error != 0) throw Error("{}: {}", program, errno_text(error));
        out_.write.reset();
        err_.write.reset();
    }
    RecipeProcess(const RecipeProcess&) = delete;
    RecipeProcess& operator=(const RecipeProcess&) = delete;
    ~RecipeProcess() { wait(); }

    // Returns when it has ended; throws its own words where it failed.
    void follow(const Progress& progress) {
        std::string line;
        while (out_.read.valid() || err_.read.valid()) {
            pollfd polls[2] = {{out_.read.get(), POLLIN, 0}, {err_.read.get(), POLLIN, 0}};
            if (::poll(polls, 2, -1) < 0 && errno != EINTR) throw Error("poll: {}", errno_text());
            if (polls[0].revents != 0) {
                take(out_.read, line);
                for (auto end = line.find('\n'); end != std::string::npos; end = line.find('\n')) {
                    progress(line.substr(0, end));
                    line.erase(0, end + 1);
                }
            }
            if (polls[1].revents != 0) take(err_.read, words_);
            if (words_.size() > kept_words) words_.erase(0, words_.size() - kept_words);
        }
        int status = wait();
        if (status == 0) return;
        while (!words_.empty() && words_.back() == '\n') words_.pop_back();
        throw Error("{}: {}", script_.string(),
                    !words_.empty()       ? words_
                    : WIFSIGNALED(status) ? fmt::format("killed by signal {}", WTERMSIG(status))
                                          : fmt::format("exit {}", WEXITSTATUS(status)));
    }

  private:
    static void take(os::Fd& fd, std::string& into) {
        char chunk[4096];
        ssize_t n = ::read(fd.get(), chunk, sizeof chunk);
        if (n > 0) into.append(chunk, static_cast<std::size_t>(n));
        if (n == 0 || (n < 0 && errno != EINTR)) fd.reset();
    }

    int wait() {
        while (pid_ > 0 && ::waitpid(pid_, &status_, 0) < 0 && errno == EINTR) {
        }
        pid_ = -1;
        return status_;
    }

    fs::path script_;
    Pipe out_, err_;
    pid_t pid_ = -1;
    int status_ = 0;
    std::string words_;
};

fs::path script_of(const std::string& recipe) {
    if (recipe.find('/') != std::string::npos) {
        if (::access(recipe.c_str(), X_OK) != 0)
            throw Error("recipe '{}': {}", recipe, errno_text());
        return fs::absolute(recipe);
    }
    auto known = recipes();
    if (std::find(known.begin(), known.end(), recipe) == known.end())
        throw Error("recipe '{}': no such recipe; there are {} in {}, or give the path of a script",
                    recipe, known.empty() ? "none" : fmt::format("{}", fmt::join(known, ", ")),
                    HOLON_IMAGE_RECIPES);
    return fs::path(HOLON_IMAGE_RECIPES) / (recipe + ".sh");
}

}  // namespace

std::vector<std::string> recipes() {
    std::vector<std::string> names;
    std::error_code missing;
    for (const auto& entry : fs::directory_iterator(HOLON_IMAGE_RECIPES, missing))
        // common.sh, which they share, is not executable.
        if (entry.path().extension() == ".sh" && ::access(entry.path().c_str(), X_OK) == 0)
            names.push_back(entry.path().stem());
    std::sort(names.begin(), names.end());
    return names;
}

void build(const config::Config& config, const std::string& recipe, const std::string& name,
           const Progress& progress) {
    fs::path script = script_of(recipe);
    Slot slot(config, name.empty() ? script.stem().string() : name);
    RecipeProcess(script, slot.folder()).follow(progress);
    slot.commit();
    progress(fmt::format("image '{}' is ready", slot.name()));
}

}  // namespace holon::image

// SPDX-License-Identifier: GPL-2.0-or-later
// Programs are run from an argument vector, never through a shell, so no text of a user is ever
// parsed. Thread-safe. Children get an empty signal mask, default handlers, and no descriptor but
// 0, 1, 2.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "plugins/os/fd.h"

namespace holon::os {

struct Identity {
    uid_t uid = 0;
    gid_t gid = 0;
    std::vector<gid_t> groups;  // supplementary; empty means none, not "as before"
    std::string name;           // login name; may be empty where the host does not know the uid
    std::string home;
    std::string shell;
};

// The host's own view of a uid (getpwuid_r, getgrouplist). Throws where the uid is unknown.
Identity identity_of(uid_t uid);

struct RunOptions {
    std::string input;                          // fed to stdin
    std::optional<Identity> as;                 // setgroups, setgid, setuid before exec
    std::vector<std::string> env;               // "K=V"; empty: PATH only, LC_ALL=C
    std::chrono::milliseconds timeout{60'000};  // then SIGKILL and an Error
    std::filesystem::path working_directory = "/";
};

struct RunResult {
    int status = 0;  // as from waitpid(2)
    std::string out;
    std::string err;
    bool ok() const { return status == 0; }
};

// Runs argv[0] (looked up in PATH) and collects its output (each stream up to 16 MiB).
// The program is killed when the calling thread ends, and so with its process.
RunResult run(const std::vector<std::string>& argv, const RunOptions& options = {});
// The same; a non-zero status is an Error with the program's name and its last stderr line.
std::string run_checked(const std::vector<std::string>& argv, const RunOptions& options = {});

// A program that runs beside us, for as long as this object lives: what takes minutes and is fed or
// read through descriptors, where run() collects everything. Its standard input is INPUT, its
// standard output OUTPUT (invalid: the same as its standard error); standard error can be read from
// messages(), of which the end comes when the program has ended. It gets the identity, environment
// and directory of the options. Killed when this object goes, or when the thread that made it ends.
// Any thread may kill() it, also while another waits.
class Child {
  public:
    Child(const std::vector<std::string>& argv, const RunOptions& options, Fd input, Fd output);
    ~Child();
    Child(const Child&) = delete;
    Child& operator=(const Child&) = delete;

    Fd& messages() { return messages_; }
    void kill();
    // Waits for its end; the status as from waitpid(2).
    int wait();

  private:
    std::mutex lock_;
    pid_t pid_ = -1;
    int status_ = 0;
    Fd messages_;
};

// Opens PATH with the rights of WHO: in a forked child that has taken WHO's uid, gid and groups,
// and that passes the descriptor back over a socket. Symbolic links are therefore followed with the
// user's rights. Throws Error with the user's errno: "/data/x.qcow2: permission denied".
Fd open_as(const Identity& who, const std::filesystem::path& path, int flags, mode_t mode = 0);

}  // namespace holon::os

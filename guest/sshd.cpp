// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/sshd.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <system_error>

#include "guest/files.h"

namespace holon::guest {
namespace {

constexpr const char* program = "/usr/sbin/sshd";
constexpr const char* folder = "/run/holon/ssh";

std::string line(std::string text) {
    if (!text.ends_with('\n')) text += '\n';
    return text;
}

}  // namespace

std::string sshd_config(const User& user, const std::string& address) {
    const std::string base = folder;
    // MaxSessions and MaxStartups: an MPI launcher opens all its connections in the same instant.
    // UsePAM: images' PAM stacks refuse accounts they do not know, and slurm's own pam modules
    // would look for a host's slurmd.
    return "ListenAddress " + address + "\n" + "HostKey " + base +
           "/host_key\n"
           "PidFile " +
           base +
           "/sshd.pid\n"
           "AuthorizedKeysFile " +
           base +
           "/authorized_keys\n"
           "AllowUsers " +
           user.name +
           "\n"
           "PermitRootLogin no\n"
           "AuthenticationMethods publickey\n"
           "PasswordAuthentication no\n"
           "KbdInteractiveAuthentication no\n"
           "UsePAM no\n"
           "PermitUserEnvironment no\n"
           "AcceptEnv *\n"
           "StrictModes no\n"
           "UseDNS no\n"
           "PrintMotd no\n"
           "X11Forwarding no\n"
           "MaxSessions 1024\n"
           "MaxStartups 1024\n"
           "Subsystem sftp internal-sftp\n";
}

std::string known_hosts(const Hosts& hosts, const std::string& host_public) {
    std::string names;
    for (const auto& [address, name] : hosts) {
        if (!names.empty()) names += ',';
        names += name + "," + address;
    }
    return names.empty() ? "" : names + " " + line(host_public);
}

void install_ssh(const std::string& root, const User& user, const SshKeys& keys, const Hosts& hosts,
                 const std::string& address) {
    const auto run = root + folder;
    write_file(run + "/host_key", line(keys.host_private), 0600);
    write_file(run + "/host_key.pub", line(keys.host_public), 0644);
    write_file(run + "/authorized_keys", line(keys.user_public), 0644);
    write_file(run + "/sshd_config", sshd_config(user, address), 0644);
    write_file(root + "/etc/ssh/ssh_known_hosts", known_hosts(hosts, keys.host_public), 0644);

    const auto secrets = root + user.home + "/.ssh";
    const bool made = ::mkdir(secrets.c_str(), 0700) == 0;
    if (made && ::geteuid() == 0 && ::chown(secrets.c_str(), user.uid, user.gid) < 0)
        throw std::system_error(errno, std::generic_category(), user.home + "/.ssh");
    const auto key = secrets + "/id_ed25519";
    const auto present = read_file_or_empty(key);
    if (present.empty() || present == line(keys.user_private)) {
        write_file(key, line(keys.user_private), 0600, user.uid, user.gid);
        write_file(key + ".pub", line(keys.user_public), 0644, user.uid, user.gid);
        return;
    }
    write_file(run + "/user_key", line(keys.user_private), 0600, user.uid, user.gid);
    std::string names;
    for (const auto& [host_address, name] : hosts) names += " " + name + " " + host_address;
    write_file(root + "/etc/ssh/ssh_config.d/holon.conf",
               "Host" + names + "\n    IdentityFile " + folder + "/user_key\n", 0644);
}

void start_sshd(Loop& loop, Reaper& reaper, const Cgroup& cgroup,
                std::function<void(std::string)> done) {
    if (::access(program, X_OK) < 0) return done({});
    // Debian's sshd wants this folder; its package leaves it to the init system.
    make_folders("/run/sshd");
    const pid_t pid = ::fork();
    if (pid < 0) return done("sshd: fork: " + std::string(std::strerror(errno)));
    if (pid == 0) {
        sigset_t none;
        sigemptyset(&none);
        ::sigprocmask(SIG_SETMASK, &none, nullptr);
        ::signal(SIGPIPE, SIG_DFL);
        if (cgroup.valid()) cgroup.join();
        const auto config = std::string(folder) + "/sshd_config";
        ::execl(program, program, "-f", config.c_str(), static_cast<char*>(nullptr));
        ::_exit(127);
    }
    // It goes into the background itself, once it listens.
    auto deadline = std::make_shared<Timer>();
    auto answer = std::make_shared<std::function<void(std::string)>>(std::move(done));
    *deadline = loop.after(std::chrono::seconds(30), [pid, answer, &reaper] {
        reaper.forget(pid);
        std::exchange(*answer, [](std::string) {})("sshd: does not start within 30 s");
    });
    reaper.expect(pid, [deadline, answer](int status) {
        deadline->reset();
        const bool ok = WIFEXITED(status) && WEXITSTATUS(status) == 0;
        std::exchange(*answer,
                      [](std::string) {})(ok ? ""
                                             : "sshd: ended with status " + std::to_string(status) +
                                                   "; its own words are on the VM's console");
    });
}

}  // namespace holon::guest

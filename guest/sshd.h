// SPDX-License-Identifier: GPL-2.0-or-later
// ssh inside the job: the keys of this job and no others, for the job's user and no other.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "guest/cgroup.h"
#include "guest/loop.h"
#include "guest/users.h"

namespace holon::guest {

struct SshKeys {
    std::string host_private, host_public, user_private, user_public;
};

using Hosts = std::vector<std::pair<std::string, std::string>>;  // address, name

// What sshd is started with.
std::string sshd_config(const User& user, const std::string& address);
// Every VM of the job has the same host key, so one line knows them all.
std::string known_hosts(const Hosts& hosts, const std::string& host_public);

// Writes keys, known hosts and configuration under ROOT. A key of the user's own in ~/.ssh is never
// replaced: then the job's key is used through /etc/ssh/ssh_config.d. Throws std::exception.
void install_ssh(const std::string& root, const User& user, const SshKeys& keys, const Hosts& hosts,
                 const std::string& address);

// Starts the image's sshd, if it has one, in CGROUP. DONE is called with an empty string once it
// listens (or there is none to start), or with the reason why it does not.
void start_sshd(Loop& loop, Reaper& reaper, const Cgroup& cgroup,
                std::function<void(std::string)> done);

}  // namespace holon::guest

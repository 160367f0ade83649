// SPDX-License-Identifier: GPL-2.0-or-later
// The job's user in the image's own account files: text in, text out. glibc's name service is not
// used (the agent is static, and the image may have none).
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace holon::guest {

struct Group {
    std::string name;
    gid_t gid = 0;
};

struct User {
    std::string name;
    uid_t uid = 0;
    gid_t gid = 0;
    std::string home;
    std::string shell;
    std::vector<Group> groups;
};

// The contents of /etc/passwd, /etc/group, /etc/shadow with the user in them. An entry of the same
// name with another number is replaced; one of another name with the user's number stays, behind
// the user's, so that the number is shown with the user's name.
std::string passwd_with(const std::string& text, const User& user);
std::string group_with(const std::string& text, const User& user);
// "*" as password: nobody can log in with one, but the account is not locked ("!"), which sshd
// would refuse.
std::string shadow_with(const std::string& text, const User& user);

// Writes the three files under ROOT and makes the home folder. A shell that the image does not have
// becomes /bin/sh (in USER too). Throws std::exception.
void install_user(const std::string& root, User& user);

}  // namespace holon::guest

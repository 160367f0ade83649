// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/users.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <stdexcept>
#include <string_view>
#include <system_error>

#include "guest/files.h"

namespace holon::guest {
namespace {

using Fields = std::vector<std::string>;

Fields split(std::string_view text, char separator) {
    Fields fields;
    for (;;) {
        const auto end = text.find(separator);
        fields.emplace_back(text.substr(0, end));
        if (end == std::string_view::npos) return fields;
        text.remove_prefix(end + 1);
    }
}

std::string join(const Fields& fields, char separator) {
    std::string text;
    for (const auto& field : fields) {
        if (&field != &fields.front()) text += separator;
        text += field;
    }
    return text;
}

std::vector<Fields> parse(const std::string& text) {
    std::vector<Fields> entries;
    for (const auto& line : split(text, '\n'))
        if (!line.empty()) entries.push_back(split(line, ':'));
    return entries;
}

std::string print(const std::vector<Fields>& entries) {
    std::string text;
    for (const auto& entry : entries) text += join(entry, ':') + "\n";
    return text;
}

void check(const std::string& text, const char* what) {
    const auto bad = [](char c) { return c == ':' || c == '\n' || c == '\0'; };
    if (std::any_of(text.begin(), text.end(), bad))
        throw std::runtime_error(std::string("configure: user: ") + what +
                                 " has a ':' or a line break in it");
}

// Keeps owner and mode of a file that is there (shadow belongs to a group on some distributions,
// not on others).
void replace_content(const std::string& path, const std::string& content, mode_t mode) {
    struct stat status {};
    if (::stat(path.c_str(), &status) == 0)
        write_file(path, content, status.st_mode & 07777, status.st_uid, status.st_gid);
    else
        write_file(path, content, mode);
}

}  // namespace

std::string passwd_with(const std::string& text, const User& user) {
    auto entries = parse(text);
    const auto uid = std::to_string(user.uid);
    std::erase_if(entries, [&](const Fields& entry) { return entry.front() == user.name; });
    const auto place = std::find_if(entries.begin(), entries.end(), [&](const Fields& entry) {
        return entry.size() > 2 && entry[2] == uid;
    });
    entries.insert(
        place, {user.name, "x", uid, std::to_string(user.gid), user.name, user.home, user.shell});
    return print(entries);
}

std::string group_with(const std::string& text, const User& user) {
    auto entries = parse(text);
    for (const auto& group : user.groups) {
        const auto gid = std::to_string(group.gid);
        std::erase_if(entries, [&](const Fields& entry) {
            return entry.front() == group.name && (entry.size() < 4 || entry[2] != gid);
        });
        auto found = std::find_if(entries.begin(), entries.end(),
                                  [&](const Fields& entry) { return entry.front() == group.name; });
        if (found == entries.end()) {
            const auto place = std::find_if(
                entries.begin(), entries.end(),
                [&](const Fields& entry) { return entry.size() > 2 && entry[2] == gid; });
            found = entries.insert(place, {group.name, "x", gid, ""});
        }
        // The primary group's members are told by /etc/passwd.
        if (group.gid == user.gid) continue;
        auto members = split((*found)[3], ',');
        std::erase(members, "");
        if (std::find(members.begin(), members.end(), user.name) == members.end())
            members.push_back(user.name);
        (*found)[3] = join(members, ',');
    }
    return print(entries);
}

std::string shadow_with(const std::string& text, const User& user) {
    auto entries = parse(text);
    std::erase_if(entries, [&](const Fields& entry) { return entry.front() == user.name; });
    entries.push_back({user.name, "*", "19000", "0", "99999", "7", "", "", ""});
    return print(entries);
}

void install_user(const std::string& root, User& user) {
    check(user.name, "the name");
    check(user.home, "the home folder");
    check(user.shell, "the shell");
    for (const auto& group : user.groups) check(group.name, "a group's name");
    if (user.name.empty()) throw std::runtime_error("configure: user: no name");
    if (!user.home.starts_with('/')) user.home = "/";
    if (user.shell.empty() || ::access((root + user.shell).c_str(), X_OK) < 0)
        user.shell = "/bin/sh";

    const auto etc = root + "/etc/";
    // Root stays what the image says it is.
    if (user.uid != 0) {
        replace_content(etc + "passwd", passwd_with(read_file_or_empty(etc + "passwd"), user),
                        0644);
        replace_content(etc + "shadow", shadow_with(read_file_or_empty(etc + "shadow"), user),
                        0600);
    }
    replace_content(etc + "group", group_with(read_file_or_empty(etc + "group"), user), 0644);

    const auto home = root + user.home;
    if (exists(home)) return;
    make_folders(home.substr(0, home.rfind('/')));
    if (::mkdir(home.c_str(), 0700) < 0 ||
        (::geteuid() == 0 && ::chown(home.c_str(), user.uid, user.gid) < 0))
        throw std::system_error(errno, std::generic_category(), user.home);
}

}  // namespace holon::guest

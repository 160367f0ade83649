// SPDX-License-Identifier: GPL-2.0-or-later
#include <array>
#include <cstring>
#include <stdexcept>

#include "guest/json.h"
#include "guest/launch.h"

namespace holon::guest {
namespace {

constexpr std::pair<const char*, int> limit_names[] = {
    {"as", RLIMIT_AS},
    {"core", RLIMIT_CORE},
    {"cpu", RLIMIT_CPU},
    {"data", RLIMIT_DATA},
    {"fsize", RLIMIT_FSIZE},
    {"memlock", RLIMIT_MEMLOCK},
    {"nofile", RLIMIT_NOFILE},
    {"nproc", RLIMIT_NPROC},
    {"rss", RLIMIT_RSS},
    {"stack", RLIMIT_STACK},
    {"locks", RLIMIT_LOCKS},
    {"msgqueue", RLIMIT_MSGQUEUE},
    {"sigpending", RLIMIT_SIGPENDING},
};

rlim_t limit_value(const Json& value) {
    if (value.is_number_unsigned()) return value.get<rlim_t>();
    return RLIM_INFINITY;  // -1
}

std::string decode_base64(std::string_view text) {
    std::array<int, 256> values;
    values.fill(-1);
    const std::string_view alphabet =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (std::size_t i = 0; i < alphabet.size(); ++i)
        values[static_cast<unsigned char>(alphabet[i])] = static_cast<int>(i);
    while (!text.empty() && text.back() == '=') text.remove_suffix(1);
    std::string out;
    out.reserve(text.size() * 3 / 4);
    std::uint32_t bits = 0;
    int count = 0;
    for (const char c : text) {
        const int value = values[static_cast<unsigned char>(c)];
        if (value < 0) throw std::runtime_error("the script is not valid base64");
        bits = bits << 6 | static_cast<std::uint32_t>(value);
        count += 6;
        if (count >= 8) {
            count -= 8;
            out.push_back(static_cast<char>(bits >> count));
        }
    }
    return out;
}

// A NUL would silently cut an argument short at exec.
std::vector<std::string> strings(const Json& array) {
    auto list = array.get<std::vector<std::string>>();
    for (const auto& text : list)
        if (text.find('\0') != std::string::npos)
            throw std::runtime_error("a NUL byte in an argument");
    return list;
}

}  // namespace

OpenRequest parse_open(std::string_view text) {
    const auto json = parse_json(text);
    OpenRequest request;
    request.argv = strings(json.at("argv"));
    if (request.argv.empty()) throw std::runtime_error("no program was named");
    if (json.contains("env")) request.env = strings(json.at("env"));
    request.cwd = json.value("cwd", "/");
    if (request.cwd.empty() || request.cwd.find('\0') != std::string::npos) request.cwd = "/";
    request.umask = json.value("umask", mode_t{022}) & 0777;
    if (const auto limits = json.find("rlimits"); limits != json.end() && limits->is_object()) {
        for (const auto& [name, which] : limit_names) {
            const auto found = limits->find(name);
            if (found == limits->end()) continue;
            request.rlimits.push_back(
                {which, rlimit{limit_value(found->at(0)), limit_value(found->at(1))}});
        }
    }
    if (const auto pty = json.find("pty"); pty != json.end() && pty->is_object())
        request.pty = WindowSize{pty->value("rows", std::uint16_t{24}),
                                 pty->value("cols", std::uint16_t{80}), 0, 0};
    if (const auto script = json.find("script"); script != json.end() && script->is_string())
        request.script = decode_base64(script->get_ref<const std::string&>());
    request.standard_input = json.value("stdin", false);
    request.uid = json.at("uid").get<uid_t>();
    request.gid = json.at("gid").get<gid_t>();
    if (json.contains("groups")) request.groups = json.at("groups").get<std::vector<gid_t>>();
    return request;
}

}  // namespace holon::guest

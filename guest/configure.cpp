// SPDX-License-Identifier: GPL-2.0-or-later
#include "guest/configure.h"

#include <fcntl.h>
#include <linux/random.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <system_error>

#include "guest/files.h"
#include "guest/json.h"
#include "guest/log.h"
#include "guest/restore_hooks.h"

namespace holon::guest {
namespace {

int hex_value(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    throw std::runtime_error("configure: entropy or key: not hexadecimal");
}

std::string decode_hex(const std::string& text) {
    std::string bytes;
    for (std::size_t i = 0; i + 1 < text.size(); i += 2)
        bytes.push_back(static_cast<char>(hex_value(text[i]) << 4 | hex_value(text[i + 1])));
    return bytes;
}

// Programs that want random numbers (sshd first) would otherwise wait for a VM without an entropy
// device.
void credit_entropy(const std::string& bytes) {
    const os::Fd random(::open("/dev/random", O_WRONLY | O_CLOEXEC));
    if (!random.valid() || bytes.empty()) return;
    // struct rand_pool_info: bits to credit, size, bytes.
    const std::array<int, 2> header{static_cast<int>(bytes.size() * 8),
                                    static_cast<int>(bytes.size())};
    std::vector<char> request(sizeof header + bytes.size());
    std::memcpy(request.data(), header.data(), sizeof header);
    std::memcpy(request.data() + sizeof header, bytes.data(), bytes.size());
    if (::ioctl(random.get(), RNDADDENTROPY, request.data()) < 0)
        log("configure: cannot credit entropy: " + std::string(std::strerror(errno)));
}

}  // namespace

void set_clock(std::int64_t time_ns) {
    const timespec now{time_ns / 1'000'000'000, time_ns % 1'000'000'000};
    if (time_ns > 0 && ::clock_settime(CLOCK_REALTIME, &now) < 0)
        log("cannot set the clock: " + std::string(std::strerror(errno)));
}

GuestConfig parse_config(const std::string& text) {
    const auto json = parse_json(text);
    GuestConfig config;
    config.hostname = json.at("hostname");
    if (const auto hosts = json.find("hosts"); hosts != json.end())
        for (const auto& host : *hosts) config.hosts.emplace_back(host.at(0), host.at(1));
    if (const auto network = json.find("network"); network != json.end() && !network->is_null())
        config.network = NetworkConfig{network->at("mac"), network->at("address"),
                                       network->at("prefix"), network->value("mtu", 0)};
    const auto& user = json.at("user");
    config.user = {user.at("name"), user.at("uid"),          user.at("gid"),
                   user.at("home"), user.value("shell", ""), {}};
    if (const auto groups = user.find("groups"); groups != user.end())
        for (const auto& group : *groups)
            config.user.groups.push_back({group.at("name"), group.at("gid")});
    if (const auto ssh = json.find("ssh"); ssh != json.end() && !ssh->is_null())
        config.ssh = SshKeys{ssh->at("host_private"), ssh->at("host_public"),
                             ssh->at("user_private"), ssh->at("user_public")};
    if (const auto files = json.find("files"); files != json.end())
        for (const auto& file : *files)
            config.files.push_back(
                {file.at("path"), file.value("mode", mode_t{0644}), file.at("content")});
    if (const auto smp = json.find("smp"); smp != json.end() && !smp->is_null())
        config.smp = SmpConfig{smp->at("name"),  smp->at("address"),
                               smp->at("home"),  decode_hex(smp->at("key")),
                               smp->at("nodes"), smp->at("encrypted")};
    config.time_ns = json.value("time_ns", std::int64_t{0});
    config.entropy = decode_hex(json.value("entropy", ""));
    config.job = json.value("job", "");
    config.restored = json.value("restored", "");
    return config;
}

std::string etc_hosts(const Hosts& hosts) {
    std::string text = "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n";
    for (const auto& [address, name] : hosts) text += address + " " + name + "\n";
    return text;
}

void write_config(const std::string& root, GuestConfig& config) {
    write_file(root + "/etc/hostname", config.hostname + "\n", 0644);
    write_file(root + "/etc/hosts", etc_hosts(config.hosts), 0644);
    install_user(root, config.user);
    if (config.ssh && config.network)
        install_ssh(root, config.user, *config.ssh, config.hosts, config.network->address);
    for (const auto& file : config.files) {
        if (!file.path.starts_with('/'))
            throw std::runtime_error("configure: " + file.path + ": not an absolute path");
        write_file(root + file.path, file.content, file.mode & 07777);
    }
}

void Configurator::apply(const std::string& text, std::function<void(std::string)> done) {
    auto config = parse_config(text);
    set_clock(config.time_ns);
    credit_entropy(config.entropy);
    if (::sethostname(config.hostname.c_str(), config.hostname.size()) < 0)
        throw std::system_error(errno, std::generic_category(), "hostname " + config.hostname);
    if (config.network) bring_up(*config.network);
    write_config("", config);
    if (!config.restored.empty()) {
        RestoreHooks hooks;
        hooks.from = config.restored;
        hooks.job = config.job;
        done = [this, hooks = std::move(hooks), done = std::move(done)](const std::string& error) {
            if (!error.empty()) return done(error);
            run_restore_hooks(loop_, reaper_, hooks, [done] { done({}); });
        };
    }
    if (config.smp && !ssid_.started()) return ssid_.start(*config.smp, std::move(done));
    if (!config.ssh || !config.network || sshd_started_) return done({});
    if (!cgroup_root_.empty() && !sshd_group_.valid()) sshd_group_ = Cgroup(cgroup_root_ + "/sshd");
    start_sshd(loop_, reaper_, sshd_group_,
               [this, done = std::move(done)](const std::string& error) {
                   sshd_started_ = error.empty();
                   done(error);
               });
}

}  // namespace holon::guest

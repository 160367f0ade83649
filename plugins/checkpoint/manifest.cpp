// SPDX-License-Identifier: GPL-2.0-or-later
#include "plugins/checkpoint/manifest.h"

#include <algorithm>
#include <cctype>

#include "plugins/checkpoint/digest.h"
#include "plugins/checkpoint/members.h"
#include "plugins/os/error.h"

namespace holon::checkpoint {
namespace {

using nlohmann::json;

constexpr std::uint64_t most_bytes = 1ull << 60;
constexpr std::uint64_t most_memory_mb = 64ull << 20;  // 64 TiB
constexpr std::size_t longest_name = 255;

struct MethodName {
    Method method;
    const char* text;
};
constexpr MethodName methods[] = {
    {Method::background, "background"}, {Method::precopy, "precopy"}, {Method::stopped, "stopped"}};

const MethodName* find_method(const std::string& text) {
    for (const MethodName& each : methods)
        if (text == each.text) return &each;
    return nullptr;
}

// Letters, digits and "._+-", beginning with a letter or a digit: safe as a file's name and within
// any option list.
bool is_plain(const std::string& text) {
    return !text.empty() && std::isalnum(static_cast<unsigned char>(text[0])) != 0 &&
           std::all_of(text.begin(), text.end(), [](unsigned char c) {
               return std::isalnum(c) != 0 || c == '.' || c == '_' || c == '+' || c == '-';
           });
}

std::string plain(Members& members, const char* key) {
    auto text = members.text(key, longest_name);
    if (!is_plain(text)) members.refuse(key, "not a plain name");
    return text;
}

bool is_mac(const std::string& text) {
    if (text.size() != 17) return false;
    for (std::size_t i = 0; i < text.size(); ++i)
        if (i % 3 == 2 ? text[i] != ':' : std::isxdigit(static_cast<unsigned char>(text[i])) == 0)
            return false;
    return true;
}

json part_json(const Part& part) {
    return {
        {"file", part.file}, {"bytes", part.bytes}, {"content", part.content}, {"xxh3", part.xxh3}};
}

Part read_part(Members members) {
    Part part;
    part.file = plain(members, "file");
    part.bytes = members.number("bytes", most_bytes);
    part.content = members.number("content", most_bytes);
    part.xxh3 = members.hex("xxh3", 32);
    members.nothing_left();
    return part;
}

json vm_json(const SavedVm& saved) {
    return {{"index", saved.vm.index},
            {"name", saved.vm.name},
            {"node", saved.vm.node},
            {"cpus", saved.vm.cpus},
            {"memory_mb", saved.vm.memory_mb},
            {"mac", saved.vm.mac},
            {"address", saved.vm.address},
            {"hardware",
             {{"layout", saved.hardware.layout},
              {"machine", saved.hardware.machine},
              {"kvm", saved.hardware.kvm},
              {"cpu", saved.hardware.cpu},
              {"host_cpu", saved.hardware.host_cpu},
              {"qemu", saved.hardware.qemu}}},
            {"memory", part_json(saved.memory)},
            {"disk", saved.disk ? part_json(*saved.disk) : json()}};
}

SavedVm read_vm(Members members) {
    SavedVm saved;
    plan::Vm& vm = saved.vm;
    vm.index = members.number32("index", spec::max_vms - 1);
    vm.name = plain(members, "name");
    if (vm.name != fmt::format("vm{}", vm.index)) members.refuse("name", "not that of its index");
    vm.node = members.text("node", longest_name);
    if (vm.node.empty()) members.refuse("node", "empty");
    vm.cpus = members.number32("cpus", spec::max_vm_cpus, 1);
    vm.memory_mb = members.number("memory_mb", most_memory_mb, 1);
    vm.mac = members.text("mac", 17);
    if (!is_mac(vm.mac)) members.refuse("mac", "not a MAC address");
    vm.address = members.text("address", 15);
    if (vm.address.find_first_not_of("0123456789.") != std::string::npos)
        members.refuse("address", "not an IPv4 address");
    Members hardware = members.object("hardware");
    saved.hardware.layout = hardware.number32("layout", UINT32_MAX);
    saved.hardware.machine = plain(hardware, "machine");
    saved.hardware.kvm = hardware.boolean("kvm");
    saved.hardware.cpu = plain(hardware, "cpu");
    saved.hardware.host_cpu = hardware.text("host_cpu", longest_name);
    saved.hardware.qemu = plain(hardware, "qemu");
    hardware.nothing_left();
    saved.memory = read_part(members.object("memory"));
    if (auto disk = members.object_or_null("disk")) saved.disk = read_part(std::move(*disk));
    members.nothing_left();
    return saved;
}

std::string session_id(std::uint64_t id) { return fmt::format("{:016x}", id); }

json session_json(const SavedSession& session) {
    json streams = json::array();
    for (const SavedStream& stream : session.streams)
        streams.push_back({{"name", stream.name},
                           {"offset", stream.offset},
                           {"file", stream.file ? json{{"device", stream.file->device},
                                                       {"inode", stream.file->inode},
                                                       {"length", stream.file->length}}
                                                : json()},
                           {"excluded", stream.excluded}});
    return {{"id", session_id(session.id)},
            {"vm", session.vm},
            {"step", session.step},
            {"streams", std::move(streams)}};
}

SavedSession read_session(Members members) {
    SavedSession session;
    session.id = std::stoull(members.hex("id", 16), nullptr, 16);
    session.vm = members.number32("vm", spec::max_vms - 1);
    session.step = plain(members, "step");
    for (Members& entry : members.objects("streams", 2)) {
        SavedStream stream;
        stream.name = entry.text("name", 3);
        if (stream.name != "out" && stream.name != "err")
            entry.refuse("name", "neither out nor err");
        stream.offset = entry.number("offset", most_bytes);
        if (auto file = entry.object_or_null("file")) {
            stream.file.emplace();
            stream.file->device = file->number("device", UINT64_MAX);
            stream.file->inode = file->number("inode", UINT64_MAX);
            stream.file->length = file->number("length", most_bytes);
            file->nothing_left();
        }
        stream.excluded = entry.text("excluded", longest_name);
        if (stream.file.has_value() == !stream.excluded.empty())
            entry.refuse("file", "either a file or the reason why there is none");
        entry.nothing_left();
        session.streams.push_back(std::move(stream));
    }
    members.nothing_left();
    return session;
}

// Spec and plan have readers of their own, which check them.
template <typename Value>
Value read_by(Value (*reader)(std::string_view), Members& members, const char* key) {
    const json value = members.take(key);
    try {
        return reader(value.dump());
    } catch (const Error& error) {
        members.refuse(key, error.what());
    } catch (const json::exception&) {
        members.refuse(key, "not UTF-8");
    }
}

bool same(const plan::Vm& a, const plan::Vm& b) {
    return a.index == b.index && a.name == b.name && a.node == b.node && a.cpus == b.cpus &&
           a.memory_mb == b.memory_mb && a.mac == b.mac && a.address == b.address;
}

std::string dump(const json& value) {
    try {
        return value.dump();
    } catch (const json::exception&) {
        throw Error("manifest: a name in it is not valid UTF-8");
    }
}

}  // namespace

const char* to_string(Method method) {
    for (const MethodName& each : methods)
        if (each.method == method) return each.text;
    return "?";
}

Method method(const std::string& text) {
    const MethodName* known = find_method(text);
    if (known == nullptr) throw Error("no method '{}' of saving is known", text.substr(0, 40));
    return known->method;
}

std::uint64_t Manifest::bytes() const {
    std::uint64_t sum = 0;
    for (const SavedVm& vm : vms) sum += vm.memory.bytes + (vm.disk ? vm.disk->bytes : 0);
    return sum;
}

std::string to_json(const SavedVm& vm) { return dump(vm_json(vm)); }
std::string to_json(const SavedSession& session) { return dump(session_json(session)); }
SavedVm saved_vm_from_json(std::string_view text) {
    return read_vm({parse_json(text, "saved VM"), "saved VM:"});
}
SavedSession saved_session_from_json(std::string_view text) {
    return read_session({parse_json(text, "saved session"), "saved session:"});
}

std::string to_json(const Manifest& manifest) {
    json vms = json::array();
    for (const SavedVm& vm : manifest.vms) vms.push_back(vm_json(vm));
    json sessions = json::array();
    for (const SavedSession& session : manifest.sessions) sessions.push_back(session_json(session));
    json object = {{"v", manifest_version},
                   {"number", manifest.number},
                   {"time", static_cast<std::uint64_t>(std::max<std::int64_t>(0, manifest.time))},
                   {"holon", manifest.holon},
                   {"user", manifest.user},
                   {"uid", manifest.uid},
                   {"gid", manifest.gid},
                   {"method", to_string(manifest.method)},
                   {"pause_us", manifest.pause_us},
                   {"image", {{"name", manifest.image}, {"identity", manifest.image_identity}}},
                   {"spec", json::parse(spec::to_json(manifest.spec))},
                   {"plan", json::parse(plan::to_json(manifest.plan))},
                   {"vms", std::move(vms)},
                   {"sessions", std::move(sessions)}};
    object["check"] = xxh3(dump(object));
    return dump(object) + "\n";
}

Manifest from_json(std::string_view text) {
    if (text.size() > longest_manifest)
        throw Error("manifest: longer than {} bytes", longest_manifest);
    json object = parse_json(text, "manifest");
    if (!object.is_object()) throw Error("manifest: not an object");
    // First the version: another release may have another idea of all the rest.
    if (!object.contains("v") || object["v"] != manifest_version)
        throw Error("manifest: made by another release of Holon; this one reads version {}",
                    manifest_version);
    Members members(std::move(object), "manifest:");
    const std::string check = members.hex("check", 32);
    Manifest manifest;
    json rest = members.rest();
    if (xxh3(dump(rest)) != check) throw Error("manifest: damaged (its checksum does not fit)");
    members.number32("v", manifest_version, manifest_version);
    manifest.number = members.number32("number", most_number, 1);
    manifest.time = static_cast<std::int64_t>(members.number("time", INT64_MAX));
    manifest.holon = plain(members, "holon");
    manifest.user = members.text("user", longest_name);
    manifest.uid = members.number32("uid", UINT32_MAX - 1);
    manifest.gid = members.number32("gid", UINT32_MAX - 1);
    const std::string method = members.text("method", 20);
    const MethodName* known = find_method(method);
    if (known == nullptr) members.refuse("method", "not known here");
    manifest.method = known->method;
    manifest.pause_us = members.number("pause_us", most_bytes);
    Members image = members.object("image");
    manifest.image = image.text("name", 4096);
    manifest.image_identity = plain(image, "identity");
    image.nothing_left();
    manifest.spec = read_by(&spec::from_json, members, "spec");
    manifest.plan = read_by(&plan::from_json, members, "plan");
    for (Members& entry : members.objects("vms", spec::max_vms))
        manifest.vms.push_back(read_vm(std::move(entry)));
    for (Members& entry : members.objects("sessions", most_sessions))
        manifest.sessions.push_back(read_session(std::move(entry)));
    members.nothing_left();
    if (manifest.vms.size() != manifest.plan.vms.size())
        members.refuse("vms", "not as many as in the plan");
    for (std::size_t i = 0; i < manifest.vms.size(); ++i)
        if (!same(manifest.vms[i].vm, manifest.plan.vms[i]))
            members.refuse(fmt::format("vms[{}]", i), "not as in the plan");
    for (const SavedSession& session : manifest.sessions)
        if (session.vm >= manifest.vms.size()) members.refuse("sessions", "of no VM");
    return manifest;
}

}  // namespace holon::checkpoint

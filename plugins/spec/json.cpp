// SPDX-License-Identifier: GPL-2.0-or-later
#include <nlohmann/json.hpp>

#include "plugins/os/error.h"
#include "plugins/spec/rules.h"
#include "plugins/spec/spec.h"

namespace holon::spec {
namespace {

using Json = nlohmann::json;
constexpr std::size_t longest_text = 64 * 1024;

// Takes members out of an object one by one, so that what is left over is known to be unknown.
class Members {
  public:
    explicit Members(Json object) : object_(std::move(object)) {}

    std::uint64_t number(const char* key, std::uint64_t most) {
        Json value = take(key);
        if (!value.is_number_unsigned() || value.get<std::uint64_t>() > most)
            throw Error("spec: {}: not a whole number up to {}", key, most);
        return value.get<std::uint64_t>();
    }
    std::uint32_t number32(const char* key, std::uint32_t most) {
        return static_cast<std::uint32_t>(number(key, most));
    }
    bool boolean(const char* key) {
        Json value = take(key);
        if (!value.is_boolean()) throw Error("spec: {}: neither true nor false", key);
        return value.get<bool>();
    }
    bool has(const char* key) const { return object_.contains(key); }
    Members object(const char* key) {
        Json value = take(key);
        if (!value.is_object()) throw Error("spec: {}: not an object", key);
        return Members(std::move(value));
    }
    std::vector<Members> objects(const char* key, std::size_t most) {
        Json value = take(key);
        if (!value.is_array() || value.size() > most)
            throw Error("spec: {}: not a list of up to {} entries", key, most);
        std::vector<Members> all;
        for (Json& one : value) {
            if (!one.is_object()) throw Error("spec: {}: an entry is not an object", key);
            all.emplace_back(std::move(one));
        }
        return all;
    }
    std::string path(const char* key, bool may_be_empty) {
        std::string value = text(key);
        if (!(may_be_empty && value.empty()) && !rules::is_clean_path(value))
            throw Error("spec: {}: not an absolute path", key);
        return value;
    }
    std::string text(const char* key) {
        Json value = take(key);
        if (!value.is_string()) throw Error("spec: {}: not a string", key);
        return value.get<std::string>();
    }
    void nothing_left() const {
        if (!object_.empty())
            throw Error("spec: {}: unknown key", object_.begin().key().substr(0, 40));
    }

  private:
    Json take(const char* key) {
        auto found = object_.find(key);
        if (found == object_.end()) throw Error("spec: {}: missing", key);
        Json value = std::move(*found);
        object_.erase(found);
        return value;
    }
    Json object_;
};

// Runs of equal VMs as one entry: a thousand of one shape are the common case.
Json json_of(const Restart& restart) {
    Json vms = Json::array();
    for (std::size_t i = 0, count = 1; i < restart.vms.size(); i += count, count = 1) {
        while (i + count < restart.vms.size() && restart.vms[i + count] == restart.vms[i]) ++count;
        vms.push_back({{"vms", count},
                       {"cpus", restart.vms[i].cpus},
                       {"memory_mb", restart.vms[i].memory_mb}});
    }
    return {{"job", restart.job},
            {"number", restart.number},
            {"folder", restart.folder},
            {"vms", std::move(vms)}};
}

Restart restart_of(Members members) {
    Restart restart;
    restart.job = members.number32("job", rules::most_job_id);
    if (restart.job == 0) throw Error("spec: restart: job 0 is none");
    restart.number = members.number32("number", rules::most_number);
    restart.folder = members.path("folder", false);
    for (Members& entry : members.objects("vms", max_vms)) {
        const std::uint64_t count = entry.number("vms", max_vms - restart.vms.size());
        Shape shape;
        shape.cpus = entry.number32("cpus", max_vm_cpus);
        shape.memory_mb = entry.number("memory_mb", rules::most_memory_mb);
        entry.nothing_left();
        if (count == 0 || shape.cpus == 0) throw Error("spec: restart: a VM without CPUs, or none");
        restart.vms.insert(restart.vms.end(), count, shape);
    }
    members.nothing_left();
    if (restart.vms.empty()) throw Error("spec: restart: no VMs");
    return restart;
}

}  // namespace

std::string to_json(const Spec& spec) {
    std::string mode;
    for (const auto& m : rules::modes)
        if (m.mode == spec.mode) mode = m.json;
    Json json = {
        {"v", 1},
        {"mode", mode},
        {"vm_count", spec.vm_count},
        {"image", spec.image},
        {"vm_cpus", spec.vm_cpus},
        {"vm_memory_mb", spec.vm_memory_mb},
        {"network", rules::text_of(spec.network)},
        {"boot_timeout_s", spec.boot_timeout_s},
        {"script_on_host", spec.script_on_host},
        {"submit_dir", spec.submit_dir},
        {"seed", spec.seed},
        {"node_memory_mb", spec.node_memory_mb},
        {"cpu_memory_mb", spec.cpu_memory_mb},
    };
    // Only where there is something to say: this is in the environment of every VM job.
    if (spec.checkpoints || spec.wished_truncate || !spec.checkpoint_dir.empty())
        json["checkpoints"] = {{"on", spec.checkpoints},
                               {"every_s", spec.checkpoint_every_s},
                               {"dir", spec.checkpoint_dir},
                               {"wished_no_requeue", spec.wished_no_requeue},
                               {"wished_truncate", spec.wished_truncate},
                               {"warn_signal", spec.warn_signal},
                               {"warn_signal_is_ours", spec.warn_signal_is_ours},
                               {"warn_before_s", spec.warn_before_s},
                               {"before_s", spec.checkpoint_before_s}};
    if (spec.restart) json["restart"] = json_of(*spec.restart);
    try {
        return json.dump();
    } catch (const Json::exception&) {
        throw Error("spec: a path in it is not valid UTF-8");
    }
}

Spec from_json(std::string_view text) {
    if (text.size() > longest_text) throw Error("spec: longer than {} bytes", longest_text);
    Json json = Json::parse(text, nullptr, false);
    if (!json.is_object()) throw Error("spec: not a JSON object");
    Members members(std::move(json));
    if (members.number("v", UINT32_MAX) != 1)
        throw Error("spec: made by another release of Holon: submit the job again");
    Spec spec;
    std::string mode = members.text("mode");
    bool known = false;
    for (const auto& m : rules::modes)
        if (m.json == mode) {
            spec.mode = m.mode;
            known = true;
        }
    if (!known) throw Error("spec: mode: not known here");
    spec.vm_count = members.number32("vm_count", max_vms);
    spec.image = members.text("image");
    if (!rules::is_image_name(spec.image) && !rules::is_clean_path(spec.image))
        throw Error("spec: image: neither a name nor an absolute path");
    spec.vm_cpus = members.number32("vm_cpus", max_vm_cpus);
    spec.vm_memory_mb = members.number("vm_memory_mb", rules::most_memory_mb);
    auto network = rules::network(members.text("network"));
    if (!network) throw Error("spec: network: neither private nor none");
    spec.network = *network;
    spec.boot_timeout_s = members.number32("boot_timeout_s", rules::longest_boot_s);
    spec.script_on_host = members.boolean("script_on_host");
    spec.submit_dir = members.text("submit_dir");
    if (!spec.submit_dir.empty() && !rules::is_clean_path(spec.submit_dir))
        throw Error("spec: submit_dir: not an absolute path");
    spec.seed = members.text("seed");
    if (!spec.seed.empty() && !rules::is_seed(spec.seed))
        throw Error("spec: seed: not 64 hexadecimal digits");
    spec.node_memory_mb = members.number("node_memory_mb", UINT64_MAX);
    spec.cpu_memory_mb = members.number("cpu_memory_mb", UINT64_MAX);
    if (members.has("checkpoints")) {
        Members life = members.object("checkpoints");
        spec.checkpoints = life.boolean("on");
        spec.checkpoint_every_s = life.number32("every_s", rules::longest_interval_s);
        spec.checkpoint_dir = life.path("dir", true);
        spec.wished_no_requeue = life.boolean("wished_no_requeue");
        spec.wished_truncate = life.boolean("wished_truncate");
        // Jobs and checkpoints of before have no such keys.
        if (life.has("warn_signal")) {
            spec.warn_signal = life.number32("warn_signal", rules::most_signal);
            spec.warn_signal_is_ours = life.boolean("warn_signal_is_ours");
            spec.warn_before_s = life.number32("warn_before_s", UINT32_MAX);
            spec.checkpoint_before_s = life.number32("before_s", rules::longest_before_s);
        }
        life.nothing_left();
    }
    if (members.has("restart")) spec.restart = restart_of(members.object("restart"));
    members.nothing_left();
    return spec;
}

}  // namespace holon::spec

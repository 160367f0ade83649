// SPDX-License-Identifier: GPL-2.0-or-later
#include "plugins/config/config.h"

#include <fmt/ranges.h>
#include <sys/auxv.h>

#include <yaml-cpp/eventhandler.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <numeric>
#include <set>
#include <sstream>

#include "paths.h"
#include "plugins/config/schema.h"
#include "plugins/os/error.h"
#include "plugins/os/file.h"

namespace holon::config {
namespace {

std::string section_of(const std::string& key) {
    const std::size_t dot = key.find('.');
    return dot == std::string::npos ? "" : key.substr(0, dot);
}
std::string name_in_section(const std::string& key) { return key.substr(key.find('.') + 1); }

std::size_t edit_distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> row(b.size() + 1);
    std::iota(row.begin(), row.end(), std::size_t{0});
    for (std::size_t i = 1; i <= a.size(); ++i) {
        std::size_t diagonal = row[0]++;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t above = row[j];
            row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1])});
            diagonal = above;
        }
    }
    return row.back();
}

// "; did you mean memory_reserve?", or the list of what is known where nothing is near.
std::string suggestion(const std::string& wrong, const std::set<std::string>& known) {
    const std::string* best = nullptr;
    std::size_t distance = std::max<std::size_t>(2, wrong.size() / 3) + 1;
    for (const std::string& name : known)
        if (const std::size_t d = edit_distance(wrong.substr(0, 100), name); d < distance) {
            distance = d;
            best = &name;
        }
    if (best != nullptr) return fmt::format("; did you mean {}?", *best);
    return fmt::format("; known here: {}", fmt::join(known, ", "));
}

class Reader {
  public:
    Reader(Config& config, const std::filesystem::path& file) : config_(config), file_(file) {
        for (const Key& key : schema()) {
            keys_[key.name] = &key;
            sections_[section_of(key.name)].insert(name_in_section(key.name));
            top_level_.insert(section_of(key.name).empty() ? key.name : section_of(key.name));
        }
    }

    void read(const YAML::Node& root) {
        if (root.IsNull()) return;
        if (!root.IsMap()) fail(root, "", "the file must be a list of sections and keys");
        std::set<std::string> seen;
        for (const auto& entry : root) {
            const std::string name = name_of(entry.first, "");
            once(entry.first, name, seen);
            if (keys_.contains(name))
                set(*keys_[name], entry.second);
            else if (name.empty() || !sections_.contains(name))
                fail(entry.first, name, "unknown key" + suggestion(name, top_level_));
            else
                read_section(name, entry.second, seen);
        }
    }

  private:
    void read_section(const std::string& section, const YAML::Node& body,
                      std::set<std::string>& seen) {
        if (body.IsNull()) return;
        if (!body.IsMap())
            fail(body, section,
                 fmt::format("a section with keys is wanted here: {}",
                             fmt::join(sections_[section], ", ")));
        for (const auto& entry : body) {
            const std::string name = name_of(entry.first, section + ".");
            const std::string key = section + "." + name;
            once(entry.first, key, seen);
            if (!keys_.contains(key))
                fail(entry.first, key, "unknown key" + suggestion(name, sections_[section]));
            set(*keys_[key], entry.second);
        }
    }

    std::string name_of(const YAML::Node& node, const std::string& where) {
        if (!node.IsScalar()) fail(node, where, "a key must be a single word");
        return node.Scalar();
    }

    void once(const YAML::Node& node, const std::string& key, std::set<std::string>& seen) {
        if (!seen.insert(key).second) fail(node, key, "given twice");
    }

    void set(const Key& key, const YAML::Node& node) {
        if (node.IsNull()) fail(node, key.name, fmt::format("no value; give {}", key.accepted));
        try {
            key.set(config_, node);
        } catch (const Error& error) {
            fail(node, key.name, fmt::format("{}; give {}", error.what(), key.accepted));
        }
    }

    [[noreturn]] void fail(const YAML::Node& node, const std::string& key,
                           const std::string& what) {
        const YAML::Mark mark = node.Mark();
        throw Error("{}:{}:{}: {}{}{}", file_.string(), mark.line + 1, mark.column + 1,
                    key.substr(0, 100), key.empty() ? "" : ": ", what);
    }

    Config& config_;
    const std::filesystem::path& file_;
    std::map<std::string, const Key*> keys_;
    std::map<std::string, std::set<std::string>> sections_;
    std::set<std::string> top_level_;
};

// Takes what the parser says and keeps nothing.
struct Ignore : YAML::EventHandler {
    void OnDocumentStart(const YAML::Mark&) override {}
    void OnDocumentEnd() override {}
    void OnNull(const YAML::Mark&, YAML::anchor_t) override {}
    void OnAlias(const YAML::Mark&, YAML::anchor_t) override {}
    void OnScalar(const YAML::Mark&, const std::string&, YAML::anchor_t,
                  const std::string&) override {}
    void OnSequenceStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                         YAML::EmitterStyle::value) override {}
    void OnSequenceEnd() override {}
    void OnMapStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                    YAML::EmitterStyle::value) override {}
    void OnMapEnd() override {}
};

// YAML::Load reads the first document and ignores what stands behind it, be it another one or a
// slip of the pen; YAML::LoadAll of yaml-cpp 0.7 does not end on some of the latter.
void refuse_more_than_one_document(std::string_view text, const std::filesystem::path& file) {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    Ignore ignore;
    if (parser.HandleNextDocument(ignore) && parser)
        throw Error("{}: goes on behind its end (a line with ---, or a bracket too many)",
                    file.string());
}

}  // namespace

Config parse(std::string_view text, const std::filesystem::path& file) {
    Config config;
    config.file = file;
    try {
        refuse_more_than_one_document(text, file);
        Reader(config, file).read(YAML::Load(std::string(text)));
    } catch (const YAML::Exception& error) {
        throw Error("{}:{}:{}: {}", file.string(), error.mark.line + 1, error.mark.column + 1,
                    error.msg);
    }
    if (config.vm.boot_timeout_s > config.limits.max_boot_timeout_s)
        throw Error("{}: vm.boot_timeout ({} s) is above limits.max_boot_timeout ({} s)",
                    file.string(), config.vm.boot_timeout_s, config.limits.max_boot_timeout_s);
    return config;
}

Config load(const std::filesystem::path& file) { return parse(os::read_file(file), file); }

Config load_default() {
    // AT_SECURE: a set-id program must not read a file of its caller's choice.
    if (const char* named = getauxval(AT_SECURE) == 0 ? std::getenv("HOLON_CONFIG") : nullptr;
        named != nullptr && *named != '\0')
        return load(named);
    const auto text = os::read_file_if_exists(paths::config_file);
    return text ? parse(*text, paths::config_file) : Config{};
}

std::vector<std::string> keys() {
    std::vector<std::string> names;
    for (const Key& key : schema()) names.push_back(key.name);
    return names;
}

std::string describe(const Config& config) {
    std::string text;
    for (const Key& key : schema()) text += fmt::format("{}: {}\n", key.name, key.get(config));
    return text;
}

plan::Sizing Config::sizing() const {
    plan::Sizing sizing;
    sizing.reserve_mb = vm.memory_reserve_mb;
    sizing.default_memory_mb = vm.default_memory_mb;
    sizing.subnet = network.subnet;
    return sizing;
}

spec::Limits Config::spec_limits() const {
    spec::Limits result;
    result.max_vms = limits.max_vms;
    result.max_vm_cpus = limits.max_vm_cpus;
    result.max_vm_memory_mb = limits.max_vm_memory_mb;
    result.max_boot_timeout_s = limits.max_boot_timeout_s;
    result.default_image = images.default_image;
    result.memory_reserve_mb = vm.memory_reserve_mb;
    result.allow_user_files = images.allow_user_files;
    result.add_memory_reserve = vm.add_memory_reserve;
    result.allow_smp = limits.allow_smp;
    result.max_smp_nodes = limits.max_smp_nodes;
    result.rules = limits.rules;
    return result;
}

}  // namespace holon::config

// SPDX-License-Identifier: GPL-2.0-or-later
#include "plugins/image/catalogue.h"

#include <fmt/ranges.h>
#include <sys/stat.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "plugins/image/digest.h"
#include "plugins/os/error.h"
#include "plugins/os/file.h"

namespace holon::image {
namespace fs = std::filesystem;
namespace {

constexpr std::uint64_t most_memory_mb = 1u << 24;

// One image.yaml: the texts by key, with the line each was found on.
class Description {
  public:
    explicit Description(fs::path file) : file_(std::move(file)), text_(os::read_file(file_)) {
        try {
            read(YAML::Load(text_));
        } catch (const YAML::Exception& error) {
            throw Error("{}:{}: {}", file_.string(), error.mark.line + 1, error.msg);
        }
    }

    const std::string& text() const { return text_; }
    bool has(const std::string& key) const { return values_.contains(key); }
    std::string value(const std::string& key) const {
        return has(key) ? values_.at(key).first : std::string();
    }

    [[noreturn]] void fail(const std::string& key, const std::string& words) const {
        throw Error("{}:{}: {}: {}", file_.string(), has(key) ? values_.at(key).second : 1, key,
                    words);
    }

    std::string one_of(const std::string& key, const std::set<std::string>& accepted) const {
        if (!accepted.contains(value(key)))
            fail(key, fmt::format("'{}' is not accepted; give {}", value(key),
                                  fmt::join(accepted, " or ")));
        return value(key);
    }

    // Relative names are within the image's folder.
    fs::path file(const std::string& key, struct stat& facts) const {
        fs::path path = file_.parent_path() / value(key);
        if (::stat(path.c_str(), &facts) != 0) fail(key, path.string() + ": " + errno_text());
        if (!S_ISREG(facts.st_mode)) fail(key, path.string() + ": not a regular file");
        return path;
    }

    std::uint64_t memory_mb(const std::string& key) const {
        std::string digits = value(key);
        bool number = !digits.empty() && digits.size() <= 9 &&
                      digits.find_first_not_of("0123456789") == std::string::npos;
        std::uint64_t mb = number ? std::stoull(digits) : 0;
        if (mb == 0 || mb > most_memory_mb)
            fail(key, fmt::format("'{}' is not accepted; give MiB as a whole number from 1 to {}",
                                  digits, most_memory_mb));
        return mb;
    }

  private:
    void read(const YAML::Node& document) {
        static const std::set<std::string> keys = {"description", "kernel",        "initrd",
                                                   "disk",        "disk_format",   "root",
                                                   "root_type",   "min_memory_mb", "command_line"};
        if (!document.IsMap())
            throw Error("{}:1: give keys and values, at least kernel and initrd", file_.string());
        for (const auto& pair : document) {
            int line = pair.first.Mark().line + 1;
            if (!pair.first.IsScalar() || !keys.contains(pair.first.Scalar()))
                throw Error("{}:{}: {}: unknown key; known are {}", file_.string(), line,
                            pair.first.IsScalar() ? pair.first.Scalar() : "a key",
                            fmt::join(keys, ", "));
            const std::string& key = pair.first.Scalar();
            if (!pair.second.IsScalar() || pair.second.Scalar().empty())
                throw Error("{}:{}: {}: give one text or number", file_.string(), line, key);
            if (std::any_of(pair.second.Scalar().begin(), pair.second.Scalar().end(),
                            [](unsigned char c) { return c < ' ' || c == 0x7f; }))
                throw Error("{}:{}: {}: give one line without control characters", file_.string(),
                            line, key);
            if (!values_.emplace(key, std::pair(pair.second.Scalar(), line)).second)
                throw Error("{}:{}: {}: given twice", file_.string(), line, key);
        }
    }

    fs::path file_;
    std::string text_;
    std::map<std::string, std::pair<std::string, int>> values_;
};

bool is_block_device_name(const std::string& root) {
    return root.starts_with("/dev/") && root.size() > 5 &&
           root.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789", 5) == std::string::npos;
}

std::vector<fs::path> folders(const fs::path& catalogue) {
    std::vector<fs::path> found;
    std::error_code missing;
    for (const auto& entry : fs::directory_iterator(catalogue, missing)) {
        std::error_code gone;
        // What starts with a dot is being built or removed.
        if (entry.is_directory(gone) && !entry.path().filename().string().starts_with("."))
            found.push_back(entry.path());
    }
    return found;
}

Image load_or_explain(const fs::path& folder) {
    try {
        return load_folder(folder);
    } catch (const Error& error) {
        Image broken;
        broken.name = folder.filename();
        broken.description = error.what();
        return broken;
    }
}

}  // namespace

void check_name(const std::string& name) {
    constexpr std::string_view alphanumeric =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    bool good = !name.empty() && name.size() <= 64 &&
                alphanumeric.find(name.front()) != std::string_view::npos &&
                name.find_first_not_of(std::string(alphanumeric) + "._+-") == std::string::npos;
    if (!good)
        throw Error(
            "image '{}': not a name; give up to 64 letters, digits and . _ + -, starting with a "
            "letter or digit",
            name);
}

Image load_folder(const fs::path& folder) {
    Description description(folder / "image.yaml");
    Image image;
    image.name = folder.filename();
    image.description = description.value("description");
    for (const char* key : {"kernel", "initrd"})
        if (!description.has(key)) description.fail(key, "missing");

    std::string identity = description.text();
    auto file = [&](const char* key) {
        struct stat facts {};
        fs::path path = description.file(key, facts);
        image.size_bytes += static_cast<std::uint64_t>(facts.st_size);
        identity += file_facts(facts);
        return path;
    };
    image.initrd = file("initrd");
    if (description.has("disk")) {
        image.disk = file("disk");
        image.disk_format = description.one_of("disk_format", {"qcow2", "raw"});
        image.root_type = description.one_of("root_type", {"ext4", "xfs"});
        image.root = description.value("root");
        if (!is_block_device_name(image.root))
            description.fail("root", "give the guest's device, such as /dev/vda or /dev/vda1");
    } else {
        for (const char* key : {"disk_format", "root", "root_type"})
            if (description.has(key)) description.fail(key, "means nothing without disk");
    }
    if (description.has("min_memory_mb"))
        image.min_memory_mb = description.memory_mb("min_memory_mb");
    image.command_line = description.value("command_line");
    image.kernel = file("kernel");
    image.identity = sha256(identity).substr(0, 32);
    try {
        command_line(image);
    } catch (const Error& error) {
        description.fail("command_line", error.what());
    }
    return image;
}

std::vector<Image> list(const config::Config& config) {
    std::map<std::string, Image> by_name;
    for (const auto& catalogue : config.images.path)
        for (const auto& folder : folders(catalogue))
            if (!by_name.contains(folder.filename()))
                by_name.emplace(folder.filename(), load_or_explain(folder));
    std::vector<Image> images;
    for (auto& [name, image] : by_name) images.push_back(std::move(image));
    return images;
}

Image find_in_catalogue(const config::Config& config, const std::string& name) {
    check_name(name);
    for (const auto& catalogue : config.images.path) {
        std::error_code missing;
        if (!fs::is_directory(catalogue / name, missing)) continue;
        try {
            return load_folder(catalogue / name);
        } catch (const Error& error) {
            throw Error("image '{}': {}", name, error.what());
        }
    }
    std::vector<std::string> known;
    for (const auto& image : list(config))
        if (!image.kernel.empty()) known.push_back(image.name);
    if (known.empty())
        throw Error(
            "image '{}': no such image, and none is known here; make one with holon image build "
            "tiny",
            name);
    throw Error("image '{}': no such image; images known here: {} (see holon image list)", name,
                fmt::join(known, ", "));
}

nlohmann::json to_json(const Image& image) {
    nlohmann::json json = {{"name", image.name},
                           {"description", image.description},
                           {"usable", !image.kernel.empty()},
                           {"user_file", image.user_file},
                           {"kernel", image.kernel.string()},
                           {"initrd", image.initrd.string()},
                           {"min_memory_mb", image.min_memory_mb},
                           {"size_bytes", image.size_bytes},
                           {"identity", image.identity},
                           {"command_line", image.command_line}};
    json["disk"] = nullptr;
    if (!image.disk.empty())
        json["disk"] = {{"file", image.disk.string()},
                        {"format", image.disk_format},
                        {"root", image.root},
                        {"root_type", image.root_type}};
    return json;
}

}  // namespace holon::image

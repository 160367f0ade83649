// SPDX-License-Identifier: GPL-2.0-or-later
// holon image: the catalogue.
#include "plugins/image/image.h"

#include <fmt/ranges.h>
#include <unistd.h>

#include <iostream>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/table.h"
#include "plugins/config/config.h"
#include "plugins/os/error.h"

namespace holon::cli {
namespace {

using nlohmann::json;
namespace po = boost::program_options;

void print_json(const json& value) {
    std::cout << value.dump(2, ' ', false, json::error_handler_t::replace) << '\n';
}

int list(const Arguments& arguments) {
    bool as_json = false;
    CommandLine line("image list [--json]",
                     "Shows the images that jobs on this host can name with --vm-image.");
    line.options().add_options()("json", po::bool_switch(&as_json), "for programs");
    if (const auto end = line.parse(arguments)) return *end;
    const auto config = config::load_default();
    const auto images = image::list(config);
    if (as_json) {
        json all = json::array();
        for (const auto& one : images) all.push_back(image::to_json(one));
        print_json({{"images", all}, {"default", config.images.default_image}});
        return exit_good;
    }
    std::vector<std::vector<std::string>> rows;
    for (const auto& one : images) {
        const bool broken = one.kernel.empty();
        rows.push_back({one.name + (one.name == config.images.default_image ? " (default)" : ""),
                        broken ? "-" : bytes_text(one.size_bytes),
                        broken ? "-" : memory_text(one.min_memory_mb),
                        broken             ? "-"
                        : one.disk.empty() ? "initramfs"
                                           : one.disk_format,
                        (broken ? "broken: " : "") + printable(one.description)});
    }
    if (!rows.empty())
        std::cout << table({"NAME", ">SIZE", ">MIN-MEM", "ROOT", "DESCRIPTION"}, rows);
    else
        std::cout << fmt::format("no images in {}; build one as root with: holon image build {}\n",
                                 fmt::join(
                                     [&] {
                                         std::vector<std::string> folders;
                                         for (const auto& path : config.images.path)
                                             folders.push_back(path.string());
                                         return folders;
                                     }(),
                                     ", "),
                                 config.images.default_image);
    return exit_good;
}

int inspect(const Arguments& arguments) {
    std::vector<std::string> operands;
    bool as_json = false;
    CommandLine line(
        "image inspect [--json] NAME|PATH",
        "Shows what Holon knows of an image of the catalogue, or of a disk file of yours.");
    line.options().add_options()("json", po::bool_switch(&as_json), "for programs");
    line.operands(operands, 1, 1);
    if (const auto end = line.parse(arguments)) return *end;
    std::string name = operands[0];
    if (name.starts_with("./") || name.starts_with("../"))
        name = std::filesystem::absolute(name).lexically_normal();
    const json facts =
        image::to_json(image::find(config::load_default(), name, os::identity_of(::getuid())));
    if (as_json) {
        print_json(facts);
        return exit_good;
    }
    for (const auto& [key, value] : facts.items()) {
        if (value.is_null()) continue;
        std::string text = value.is_string() ? value.get<std::string>() : value.dump();
        if (key == "size_bytes" && value.is_number_unsigned())
            text += fmt::format(" ({})", bytes_text(value));
        if (!text.empty()) std::cout << fmt::format("{:15} {}\n", key, printable(text));
    }
    return exit_good;
}

void progress(const std::string& phase) { std::cerr << "holon image: " << phase << std::endl; }

int build(const Arguments& arguments) {
    std::vector<std::string> operands;
    std::string name;
    CommandLine line("image build [--name NAME] RECIPE",
                     fmt::format("Makes an image and puts it into the catalogue, in place of one "
                                 "of the same name; root only.\n"
                                 "RECIPE is one of Holon's ({}), or the path of a script of yours.",
                                 fmt::join(image::recipes(), ", ")));
    line.options().add_options()("name", po::value(&name)->value_name("NAME"),
                                 "what to call it (default: the recipe's name)");
    line.operands(operands, 1, 1);
    if (const auto end = line.parse(arguments)) return *end;
    image::build(config::load_default(), operands[0], name, progress);
    return exit_good;
}

int import(const Arguments& arguments) {
    std::vector<std::string> operands;
    CommandLine line("image import FILE NAME",
                     "Copies a disk file (qcow2 or raw) into the catalogue; root only.");
    line.operands(operands, 2, 2);
    if (const auto end = line.parse(arguments)) return *end;
    image::import_disk(config::load_default(), std::filesystem::absolute(operands[0]), operands[1],
                       progress);
    return exit_good;
}

int remove(const Arguments& arguments) {
    std::vector<std::string> operands;
    CommandLine line(
        "image rm NAME",
        "Removes an image from the catalogue; root only. VMs that run on it keep its files.");
    line.operands(operands, 1, 1);
    if (const auto end = line.parse(arguments)) return *end;
    image::remove(config::load_default(), operands[0]);
    return exit_good;
}

}  // namespace

int image(const Arguments& arguments) {
    const std::string what = arguments.empty() ? "" : arguments[0];
    const Arguments rest(arguments.empty() ? arguments.end() : arguments.begin() + 1,
                         arguments.end());
    if (what == "list" || what == "ls") return list(rest);
    if (what == "inspect") return inspect(rest);
    if (what == "build") return build(rest);
    if (what == "import") return import(rest);
    if (what == "rm") return remove(rest);
    const bool asked = what == "--help" || what == "-h";
    (asked ? std::cout : std::cerr)
        << (asked ? ""
                  : fmt::format("holon image: {}\n", what.empty() ? "what?" : "no '" + what + "'"))
        << "usage: holon image list [--json]                 the images that --vm-image takes\n"
           "       holon image inspect [--json] NAME|PATH    all about one, or about a disk file\n"
           "       holon image build [--name NAME] RECIPE    make one from a recipe\n"
           "       holon image import FILE NAME              take in a disk file\n"
           "       holon image rm NAME                       remove one\n"
           "The catalogue is the folders of images.path in holon.yaml; root changes it. Each of "
           "these has a --help.\n";
    return asked ? exit_good : exit_usage;
}

}  // namespace holon::cli

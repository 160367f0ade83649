// SPDX-License-Identifier: GPL-2.0-or-later
// holond: the daemon of a node. One per node, as root.
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <boost/program_options.hpp>
#include <iostream>

#include "paths.h"
#include "plugins/controller/serve.h"
#include "plugins/node/daemon.h"

int main(int argc, char** argv) {
    namespace po = boost::program_options;
    holon::node::Options options;
    std::string config_file, level;
    po::options_description description(
        "holond: boots, watches and removes the VMs of Slurm jobs on this node\n\nOptions");
    description.add_options()("help,h", "show this text")("version", "show the version")(
        "config", po::value(&config_file)->value_name("FILE"),
        "configuration (default: /etc/holon/holon.yaml; see holon.yaml(5))")(
        "socket", po::value(&options.socket)->value_name("PATH"),
        "local socket (default: /run/holon/holond.sock)")(
        "controller", "on a controller: keep what the nodes can do, for slurmctld's plugins")(
        "log-level", po::value(&level)->value_name("LEVEL")->default_value("info"),
        "trace, debug, info, warn or error");
    try {
        po::variables_map values;
        po::store(po::parse_command_line(argc, argv, description), values);
        po::notify(values);
        if (values.count("help")) {
            std::cout << description
                      << "\nIt runs in the foreground and logs to stderr. Ending or replacing it "
                         "leaves the "
                         "VMs running.\n";
            return 0;
        }
        if (values.count("version")) {
            std::cout << "holond " HOLON_VERSION "\n";
            return 0;
        }
        spdlog::set_default_logger(spdlog::stderr_logger_mt("holond"));
        spdlog::set_pattern("%Y-%m-%dT%H:%M:%S.%e %l %v");
        spdlog::set_level(spdlog::level::from_str(level));
        spdlog::flush_on(spdlog::level::info);
        options.config_file = config_file;
        if (values.count("controller")) return holon::controller::serve(options);
        return holon::node::serve(options);
    } catch (const std::exception& error) {
        std::cerr << "holond: " << error.what() << '\n';
        return 1;
    }
}

// SPDX-License-Identifier: GPL-2.0-or-later
// ssid: one per node; joins the nodes of a partition and puts the engine into programs.
#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/resource.h>
#include <unistd.h>

#include <boost/program_options.hpp>
#include <fstream>
#include <iostream>

#include "paths.h"
#include "plugins/os/error.h"
#include "ssi/daemon/client.h"
#include "ssi/daemon/node.h"
#include "ssi/daemon/tls.h"
#include "ssi/view/server.h"

namespace po = boost::program_options;

namespace holon::ssi::daemon {
namespace {

constexpr char usage[] =
    "usage: ssid --listen ADDRESS --key FILE [--plain] [--join ADDRESS] [OPTIONS]\n\n"
    "The daemon of a virtual SMP, one per node, run by root. Without --join it is the first node, "
    "on\n"
    "which all programs start (ssi run); others join it and lend their CPUs.\n\n"
    "    node1# ssid --listen 10.0.0.1 --key /etc/holon/ssi.key\n"
    "    node2# ssid --listen 10.0.0.2 --key /etc/holon/ssi.key --join 10.0.0.1\n\n";

po::options_description make_options() {
    po::options_description options("Options");
    auto add = options.add_options();
    add("listen", po::value<std::string>()->value_name("ADDR[:PORT]"),
        "address that the other nodes reach this one at; port 7717 if none is given");
    add("join", po::value<std::string>()->value_name("ADDR[:PORT]"), "address of the first node");
    add("key", po::value<std::string>()->value_name("FILE"),
        "the partition's key: the same 32 bytes or more on all nodes, mode 0600");
    add("plain",
        "nodes prove that they have the key, and traffic is not encrypted: for kernels without "
        "TLS, on a "
        "network closed to others");
    add("cpus", po::value<unsigned>()->value_name("N"),
        "CPUs that programs see of this node (default: those ssid may use)");
    add("name", po::value<std::string>()->value_name("NAME"),
        "this node's name (default: its hostname)");
    add("partition", po::value<std::string>()->value_name("NAME")->default_value(default_partition),
        "tells the daemons of several partitions on one node apart");
    add("runtime",
        po::value<std::string>()->value_name("FILE")->default_value(std::string(paths::lib_dir) +
                                                                    "/ssi-runtime"),
        "what is put into programs; the same file at the same path on all nodes");
    add("timeout", po::value<unsigned>()->value_name("SECONDS")->default_value(60),
        "silence after which a node is lost");
    add("ready-fd", po::value<int>()->value_name("FD"),
        "writes a newline there, and closes it, when this node has joined, the first node when "
        "--nodes are up");
    add("nodes", po::value<unsigned>()->value_name("N")->default_value(1),
        "how many nodes --ready-fd waits for on the first node");
    add("verbose", "log more");
    add("help,h", "this text");
    add("version", "the version");
    return options;
}

std::string hostname() {
    char name[256] = {};
    ::gethostname(name, sizeof name - 1);
    return std::string(name).substr(0, max_name);
}

void check_host() {
    if (::geteuid() != 0) throw Error("ssid needs root");
    if (::access("/dev/userfaultfd", R_OK | W_OK) != 0)
        throw Error("/dev/userfaultfd: {}; Linux 6.1 or later with CONFIG_USERFAULTFD is needed",
                    errno_text());
    std::ifstream yama("/proc/sys/kernel/yama/ptrace_scope");
    int scope = 0;
    if (yama >> scope && scope >= 3)
        throw Error(
            "kernel.yama.ptrace_scope is {}: the engine cannot get into programs; it must be "
            "2 or less",
            scope);
}

// What is wrong with the arguments by themselves, whatever this node is like.
void check(const po::variables_map& values, const std::vector<std::string>& rest) {
    if (!rest.empty()) throw po::error(fmt::format("'{}' is too much", rest.front()));
    for (const char* name : {"listen", "key"})
        if (values.count(name) == 0) throw po::error(fmt::format("--{} is needed", name));
    for (const char* name : {"name", "partition"})
        if (values.count(name) != 0 && !is_name(values[name].as<std::string>()))
            throw po::error(
                fmt::format("--{}: '{}' is not a name: letters, digits, '.', '-' and '_', {} at "
                            "most",
                            name, values[name].as<std::string>(), max_name));
    if (values.count("cpus") != 0)
        if (const unsigned cpus = values["cpus"].as<unsigned>(); cpus == 0 || cpus > 4096)
            throw po::error("--cpus is from 1 to 4096");
    if (const unsigned nodes = values["nodes"].as<unsigned>(); nodes == 0 || nodes > max_nodes)
        throw po::error(fmt::format("--nodes is from 1 to {}", max_nodes));
    if (const unsigned timeout = values["timeout"].as<unsigned>(); timeout < 1 || timeout > 86400)
        throw po::error("--timeout is from 1 to 86400 seconds");
}

Readiness readiness(const po::variables_map& values) {
    if (values.count("ready-fd") == 0) return {};
    const int fd = values["ready-fd"].as<int>();
    if (fd <= 2 || ::fcntl(fd, F_SETFD, FD_CLOEXEC) != 0)
        throw Error("--ready-fd: descriptor {} is not open here, or is a standard one", fd);
    return {os::Fd(fd), values.count("join") != 0 ? 1 : values["nodes"].as<unsigned>()};
}

Node make_node(const po::variables_map& values) {
    const Endpoint listen = resolve(values["listen"].as<std::string>());
    const std::string key = values["key"].as<std::string>();
    const bool plain = values.count("plain") != 0;
    if (!plain) tls::check_kernel();
    Node node{.name = values.count("name") != 0 ? values["name"].as<std::string>() : hostname(),
              .partition = values["partition"].as<std::string>(),
              .listen = listen,
              .home = {},
              .trust = {read_key(key), plain},
              .cpus = values.count("cpus") != 0 ? values["cpus"].as<unsigned>() : usable_cpus(),
              .timeout = std::chrono::seconds(values["timeout"].as<unsigned>()),
              .runtime = inject::load_runtime(values["runtime"].as<std::string>()),
              .ready = readiness(values)};
    if (values.count("join") != 0) node.home = resolve(values["join"].as<std::string>());
    if (!is_name(node.name))
        throw Error("this node's hostname, '{}', does not do as its name; give one with --name",
                    node.name);
    return node;
}

void set_up_process(bool verbose) {
    ::signal(SIGPIPE, SIG_IGN);
    sigset_t ends;
    ::sigemptyset(&ends);
    ::sigaddset(&ends, SIGTERM);
    ::sigaddset(&ends, SIGINT);
    ::sigprocmask(SIG_BLOCK, &ends, nullptr);
    // Each program holds some of the daemon's descriptors.
    rlimit files{};
    ::getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &files);
    auto logger = spdlog::stderr_color_mt("ssid");
    logger->set_pattern("ssid: %v");
    if (::isatty(2) == 0) logger->set_pattern("%Y-%m-%d %H:%M:%S.%e %l: %v");
    logger->flush_on(spdlog::level::debug);
    if (verbose) logger->set_level(spdlog::level::debug);
    spdlog::set_default_logger(logger);
}

int run(int argc, char** argv) {
    const po::options_description options = make_options();
    std::vector<std::string> rest;
    po::options_description all;
    all.add(options).add_options()("rest", po::value(&rest));
    po::positional_options_description positional;
    positional.add("rest", -1);
    po::variables_map values;
    po::store(po::command_line_parser(argc, argv).options(all).positional(positional).run(),
              values);
    po::notify(values);
    if (values.count("help") != 0) {
        std::cout << usage << options;
        return 0;
    }
    if (values.count("version") != 0) {
        std::cout << "ssid " HOLON_VERSION "\n";
        return 0;
    }
    check(values, rest);
    check_host();
    set_up_process(values.count("verbose") != 0);
    Node node = make_node(values);
    if (node.home)
        run_member(node);
    else
        run_first_node(node, Keeper(node.partition));
    return 0;
}

}  // namespace
}  // namespace holon::ssi::daemon

int main(int argc, char** argv) {
    try {
        if (argc == 2 && std::string_view(argv[0]) == holon::ssi::daemon::keeper_program)
            return holon::ssi::daemon::run_keeper(argv[1]);
        if (argc == 1 && std::string_view(argv[0]) == holon::ssi::view::server_program)
            return holon::ssi::view::run_server();
        return holon::ssi::daemon::run(argc, argv);
    } catch (const boost::program_options::error& error) {
        std::cerr << "ssid: " << error.what() << " (see ssid --help)\n";
        return 2;
    } catch (const std::exception& error) {
        std::cerr << "ssid: " << error.what() << '\n';
        return 1;
    }
}

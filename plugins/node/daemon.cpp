// SPDX-License-Identifier: GPL-2.0-or-later
#include "plugins/node/daemon.h"

#include <fcntl.h>
#include <spdlog/spdlog.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <thread>

#include "paths.h"
#include "plugins/image/image.h"
#include "plugins/network/network.h"
#include "plugins/node/connection.h"
#include "plugins/os/error.h"
#include "plugins/os/file.h"

namespace holon::node {
namespace {

std::string short_host_name() {
    char name[256] = {};
    ::gethostname(name, sizeof name - 1);
    std::string text = name;
    return text.substr(0, text.find('.'));
}

// Connections that are open at once: by local user, and from other hosts in all, but for those that
// have shown to be root's, which last as long as a job does. One more is closed at once, so that no
// user, and nobody on the network, keeps Slurm's hooks (root) from being heard.
constexpr int max_of_user = 1024;
constexpr int max_remote = 512;
constexpr uid_t remote_clients = static_cast<uid_t>(-1);

template <typename Acceptor, typename Wrap>
Task<void> accept_loop(Daemon& daemon, Acceptor& acceptor,
                       std::shared_ptr<std::map<uid_t, int>> clients, Wrap wrap) {
    for (;;) {
        boost::system::error_code error;
        auto socket =
            co_await acceptor.async_accept(asio::redirect_error(asio::use_awaitable, error));
        if (error == asio::error::operation_aborted) co_return;
        if (error) {
            // Out of descriptors, most likely: let some connection end first.
            asio::steady_timer pause(daemon.io, std::chrono::milliseconds(100));
            co_await pause.async_wait(asio::use_awaitable);
            continue;
        }
        try {
            socket.non_blocking(true);
            std::shared_ptr<Connection> connection = wrap(std::move(socket));
            uid_t uid = connection->uid();
            int limit = uid == remote_clients ? max_remote : max_of_user;
            if (uid != 0 && (*clients)[uid] >= limit) continue;
            ++(*clients)[uid];
            asio::co_spawn(
                daemon.io,
                [&daemon, clients, uid, connection]() -> Task<void> {
                    bool counted = true;
                    const std::function<void()> leave = [&] {
                        if (counted && --(*clients)[uid] == 0) clients->erase(uid);
                        counted = false;
                    };
                    co_await handle_client(daemon, connection, leave);
                    leave();
                },
                asio::detached);
        } catch (const std::exception& problem) {
            spdlog::warn("a client was lost as it came: {}", problem.what());
        }
    }
}

// Binds beside the final name and renames, so that a client never finds a socket that is not
// listened on, and a daemon that replaces another does not interrupt new connections.
asio::local::stream_protocol::acceptor listen_locally(asio::io_context& io,
                                                      const std::string& path) {
    std::filesystem::create_directories(std::filesystem::path(path).parent_path());
    std::string beside = path + ".new";
    ::unlink(beside.c_str());
    asio::local::stream_protocol::acceptor acceptor(io);
    acceptor.open();
    acceptor.bind(beside);
    ::chmod(beside.c_str(), 0666);  // anyone may ask; SO_PEERCRED decides what is answered
    acceptor.listen();
    if (::rename(beside.c_str(), path.c_str()) != 0) throw Error("{}: {}", path, errno_text());
    ::fcntl(acceptor.native_handle(), F_SETFD, FD_CLOEXEC);
    return acceptor;
}

// Where the daemon before this one was killed, a child that it was just starting may hold its
// listening sockets for a moment: until it has closed what it does not need, or sees that its
// parent is gone.
void bind_soon(asio::ip::tcp::acceptor& acceptor, const asio::ip::tcp::endpoint& where) {
    const auto deadline = Clock::now() + std::chrono::seconds(10);
    for (;;) {
        boost::system::error_code error;
        acceptor.bind(where, error);
        if (!error) return;
        if (error != asio::error::address_in_use || Clock::now() > deadline)
            throw Error("port {}: {}", where.port(), error.message());
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
}

}  // namespace

Daemon::Daemon(asio::io_context& context, config::Config loaded)
    : io(context), pool(16), config(std::move(loaded)), host(short_host_name()), changed(context) {
    hypervisor =
        std::make_unique<vm::Hypervisor>(config.vm.libvirt_uri, [this](const vm::Ended& ended) {
            asio::post(io, [this, ended] {
                spdlog::info("{} ended: {}", ended.domain, ended.detail);
                for (auto& [key, run] : runs) {
                    try {
                        run->domain_ended(ended);
                    } catch (const std::exception& error) {
                        spdlog::error("job {}: {}", run->name(), error.what());
                    }
                }
            });
        });
}

Daemon::~Daemon() {
    pool.join();
    hypervisor.reset();
}

std::shared_ptr<Run> Daemon::find(std::uint32_t job) const {
    std::shared_ptr<Run> newest;
    for (const auto& [key, run] : runs)
        if (key.first == job) newest = run;
    return newest;
}

void Daemon::remove(plan::Job job) {
    runs.erase({job.id, job.restart});
    changed.notify_all();
}

Task<void> Daemon::probe_acceleration() {
    using config::Accelerator;
    vm::Acceleration found;
    try {
        if (config.vm.accelerator == Accelerator::automatic) {
            found = co_await blocking(pool, [this] {
                auto kernel = image::find(config, config.images.user_file_kernel, {}).kernel;
                return vm::probe_acceleration(kernel, paths::cache_dir);
            });
        } else {
            found.kvm = config.vm.accelerator == Accelerator::kvm;
            found.reason = "set in holon.yaml";
        }
    } catch (const std::exception& error) {
        found.reason = fmt::format("not tested, so TCG: {}", error.what());
    }
    spdlog::info("accelerator: {} ({})", found.kvm ? "kvm" : "tcg", found.reason);
    acceleration = found;
    changed.notify_all();
}

Task<void> Daemon::recover() {
    auto alive = co_await blocking(pool, [this] { return hypervisor->domains(); });
    std::vector<std::shared_ptr<Run>> dead;
    std::error_code none;
    for (const auto& entry : std::filesystem::directory_iterator(config.state_dir, none)) {
        if (!entry.is_directory()) continue;  // usage_log
        try {
            auto run = Run::load(*this, entry.path());
            runs[{run->job().id, run->job().restart}] = run;
        } catch (const std::exception& error) {
            // Half made (the daemon died in the prolog, which slurmd then repeats or fails) or
            // damaged.
            spdlog::error("{}: {}; removed", entry.path().string(), error.what());
            os::remove_tree(entry.path());
        }
    }
    for (auto& [key, run] : runs) {
        bool has_domain = false;
        for (auto& vm : run->vms())
            for (const auto& domain : alive)
                has_domain = has_domain || domain == vm::domain_name(run->job(), vm->vm.index);
        // Neither Slurm's container nor a VM: the node was rebooted, or the job ended while nobody
        // watched. A run that is not so far yet (no container told) is waited for.
        bool early = !run->plan() && !run->container_alive() && !run->host_rebooted();
        if (!has_domain && !run->container_alive() && !early) dead.push_back(run);
    }
    for (auto& run : dead) {
        // Slurm may not have noticed a short absence; the rest of the job must not go on without
        // its VMs.
        if (!run->is_head()) {
            run->fail(fmt::format("{}: its VMs ended with the node", run->prolog().node));
            co_await report_end_to_head(*this, run);
        }
        try {
            co_await run->tear_down();
        } catch (const std::exception& error) {
            spdlog::error("{}; kept for the epilog", error.what());
        }
    }
    for (auto& [key, run] : runs) {
        if (run->stopping()) continue;
        spdlog::info("job {}: taken over from an earlier daemon", run->name());
        try {
            run->publish();
            run->create_on_disk();
        } catch (const std::exception& error) {
            spdlog::error("job {}: {}", run->name(), error.what());  // a full disk ends no VM
        }
        run->start();
    }
    co_await blocking(pool, [this, &alive] {
        auto owned = [this](std::uint32_t job) { return find(job) != nullptr; };
        for (const auto& domain : alive) {
            unsigned job = 0, restart = 0, index = 0;
            if (std::sscanf(domain.c_str(), "holon-%u.%u-vm%u", &job, &restart, &index) == 3 &&
                !runs.count({job, restart})) {
                spdlog::warn("{}: belongs to no job here; destroyed", domain);
                hypervisor->destroy(domain);
            }
        }
        for (const auto& leftover : network::interfaces()) {
            // Taps go with their QEMU; bridges and VXLAN devices carry the run in their names.
            plan::Job job;
            char kind = 0;
            if (owned(leftover.job) ||
                std::sscanf(leftover.interface.c_str(), "h%c%u.%u", &kind, &job.id, &job.restart) !=
                    3 ||
                kind == 't')
                continue;
            spdlog::warn("{}: belongs to no job here; removed", leftover.interface);
            network::remove(job);
        }
    });
    // Records of jobs that are gone would make Slurm's step hooks take a new job of that number for
    // a VM job.
    for (const auto& entry : std::filesystem::directory_iterator(
             std::filesystem::path(paths::run_dir) / "jobs", none)) {
        std::uint32_t job =
            static_cast<std::uint32_t>(std::strtoul(entry.path().filename().c_str(), nullptr, 10));
        if (!find(job) && !std::filesystem::exists(entry.path() / "error"))
            os::remove_tree(entry.path());
    }
}

int serve(const Options& options) {
    ::signal(SIGPIPE, SIG_IGN);
    // Every client and every VM takes descriptors; the usual soft limit, 1024, is one user's
    // clients.
    rlimit files{};
    if (::getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        ::setrlimit(RLIMIT_NOFILE, &files);
    }
    asio::io_context io(1);
    auto config =
        options.config_file.empty() ? config::load_default() : config::load(options.config_file);
    Daemon daemon(io, std::move(config));
    auto local = listen_locally(io, options.socket.empty() ? paths::socket : options.socket);
    asio::ip::tcp::acceptor remote(io);
    asio::ip::tcp::endpoint everywhere(asio::ip::tcp::v4(), daemon.config.rpc.port);
    remote.open(everywhere.protocol());
    remote.set_option(asio::socket_base::reuse_address(true));
    bind_soon(remote, everywhere);
    remote.listen();
    network::prepare_node(daemon.config.network.vxlan_port);

    auto clients = std::make_shared<std::map<uid_t, int>>();
    auto serve_all = [&]() -> Task<void> {
        co_await daemon.recover();
        asio::co_spawn(io, daemon.probe_acceleration(), asio::detached);
        asio::co_spawn(io, publish_capabilities(daemon), asio::detached);
        asio::co_spawn(io,
                       accept_loop(daemon, local, clients,
                                   [&](asio::local::stream_protocol::socket socket) {
                                       ucred peer{};
                                       socklen_t length = sizeof peer;
                                       if (::getsockopt(socket.native_handle(), SOL_SOCKET,
                                                        SO_PEERCRED, &peer, &length) != 0)
                                           peer.uid = static_cast<uid_t>(-1);
                                       return std::make_shared<Connection>(io, daemon.pool,
                                                                           os::Fd(socket.release()),
                                                                           false, peer.uid);
                                   }),
                       asio::detached);
        asio::co_spawn(io,
                       accept_loop(daemon, remote, clients,
                                   [&](asio::ip::tcp::socket socket) {
                                       socket.set_option(asio::ip::tcp::no_delay(true));
                                       return std::make_shared<Connection>(
                                           io, daemon.pool, os::Fd(socket.release()), true,
                                           static_cast<uid_t>(-1));
                                   }),
                       asio::detached);
        spdlog::info("holond {} on {}: serving {} jobs from before", HOLON_VERSION, daemon.host,
                     daemon.runs.size());
    };
    std::exception_ptr failure;
    asio::co_spawn(io, serve_all(), [&](std::exception_ptr problem) {
        failure = problem;
        if (problem) io.stop();
    });
    asio::signal_set stop(io, SIGTERM, SIGINT);
    stop.async_wait([&](const boost::system::error_code&, int signal) {
        spdlog::info("stopping on signal {}; VMs go on", signal);
        io.stop();
    });
    io.run();
    if (failure) std::rethrow_exception(failure);
    // Coroutines are in the middle of things that only the next daemon can end; what they reached
    // is on disk.
    spdlog::default_logger()->flush();
    std::_Exit(0);
}

}  // namespace holon::node

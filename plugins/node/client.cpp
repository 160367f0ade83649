// SPDX-License-Identifier: GPL-2.0-or-later
// The requests of docs/rpc.md.
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <set>
#include <vector>

#include "plugins/network/network.h"
#include "plugins/node/connection.h"
#include "plugins/node/cut.h"
#include "plugins/node/daemon.h"
#include "plugins/node/epilog.h"
#include "plugins/node/migration.h"
#include "plugins/node/preemption.h"
#include "plugins/node/relay.h"
#include "plugins/node/session.h"
#include "plugins/os/error.h"

namespace holon::node {
namespace {

using nlohmann::json;

void require_local_root(const Connection& client, const char* op) {
    if (!client.local() || client.uid() != 0) throw Error("'{}' is for root on this node", op);
}

// The newest run of the job a request names, if the asker may use it. A job of another user is not
// admitted to exist.
std::shared_ptr<Run> run_for(Daemon& daemon, const Connection& client, const json& request) {
    std::uint32_t job = request.at("job");
    auto run = daemon.find(job);
    if (!run || (client.uid() != 0 && client.uid() != run->prolog().uid))
        throw Error("job {}: no VM job of yours on {}", job, daemon.host);
    return run;
}

Task<void> prolog(Daemon& daemon, Connection& client, const json& request) {
    require_local_root(client, "prolog");
    Prolog prolog;
    prolog.job = {request.at("job"), request.at("restart")};
    prolog.uid = request.at("uid");
    prolog.gid = request.at("gid");
    prolog.user = request.at("user");
    prolog.node = request.at("node");
    prolog.nodes = plan::expand_hostlist(request.at("nodes").get<std::string>());
    prolog.cpus = plan::expand_cpus_per_node(request.at("cpus_per_node").get<std::string>());
    prolog.spec = spec::from_json(request.at("spec").dump());
    if (prolog.cpus.size() != prolog.nodes.size() ||
        std::find(prolog.nodes.begin(), prolog.nodes.end(), prolog.node) == prolog.nodes.end())
        throw Error("job {}: node {}, nodes {} and CPUs {} do not agree", prolog.job.id,
                    prolog.node, request.at("nodes").get<std::string>(),
                    request.at("cpus_per_node").get<std::string>());
    auto key = std::make_pair(prolog.job.id, prolog.job.restart);
    if (!daemon.runs.count(key)) {  // slurmd may repeat a prolog after its own restart
        auto run = std::make_shared<Run>(daemon, std::move(prolog));
        daemon.runs[key] = run;
        std::string fault;
        try {
            // First what tells Slurm's hooks that the job is Holon's: without it the job would run
            // on the host. Where even that fails, the hook is told.
            co_await blocking(daemon.pool, [&run] { run->publish(); });
        } catch (const std::exception& error) {
            daemon.runs.erase(key);
            throw;
        }
        try {
            co_await blocking(daemon.pool, [&run] { run->create_on_disk(); });
        } catch (const std::exception& error) {
            fault = error.what();
        }
        // The job fails for it, not the node: the user's next word is holon-run's.
        if (!fault.empty()) run->fail(fmt::format("{}: {}", daemon.host, fault));
        if (fault.empty()) run->start();
        daemon.changed.notify_all();
    }
    json reply = {{"ok", true}};
    co_await client.send(reply);
}

Task<void> container(Daemon& daemon, Connection& client, const json& request) {
    require_local_root(client, "container");
    auto run = run_for(daemon, client, request);
    run->set_container(request.at("pid"));
    json reply = {{"ok", true}};
    co_await client.send(reply);
}

Task<void> epilog(Daemon& daemon, Connection& client, const json& request) {
    require_local_root(client, "epilog");
    std::uint32_t job = request.at("job");
    std::optional<std::uint32_t> told;
    if (!request.at("restart").is_null()) told = request["restart"].get<std::uint32_t>();
    std::vector<KnownRun> known;
    for (auto& [key, run] : daemon.runs)
        if (key.first == job) known.push_back({key.second, run->container()});
    auto ended = ended_runs(known, told);
    for (const auto& run : known)
        if (std::find(ended.begin(), ended.end(), run.restart) == ended.end())
            spdlog::info("job {}.{}: an epilog of an earlier run leaves it alone", job,
                         run.restart);
    for (std::uint32_t restart : ended) {
        auto found = daemon.runs.find({job, restart});
        if (found == daemon.runs.end()) continue;
        auto run = found->second;
        co_await run->tear_down();
    }
    json reply = {{"ok", true}};
    co_await client.send(reply);
}

Task<void> wait(Daemon& daemon, Connection& client, const json& request) {
    auto run = run_for(daemon, client, request);
    size_t told = 0, booted = 0;
    for (;;) {
        while (told < run->phases().size()) {
            json reply = {{"ok", true}, {"event", "phase"}, {"text", run->phases()[told++]}};
            co_await client.send(reply);
        }
        if (run->failed() || run->stopping()) {
            std::string reason =
                run->failed() ? run->failure() : fmt::format("job {} has ended", run->job().id);
            json reply = {{"ok", true},
                          {"event", "failed"},
                          {"reason", reason},
                          {"console", run->failure_console()}};
            co_await client.send(reply);
            co_return;
        }
        if (run->ready_count() > booted) {
            booted = run->ready_count();
            json reply = {{"ok", true},
                          {"event", "booted"},
                          {"ready", booted},
                          {"total", run->total_count()}};
            co_await client.send(reply);
            continue;
        }
        if (run->ready()) {
            json reply = {{"ok", true}, {"event", "ready"}, {"seconds", run->seconds_to_ready()}};
            co_await client.send(reply);
            co_return;
        }
        auto deadline = run->boot_deadline();
        const bool in_time = co_await run->changed().wait(deadline);
        // (It moves while the job is suspended.)
        if (!in_time && run->boot_time_left() <= 0 && !run->ready() && !run->failed()) {
            std::vector<std::string> lines;
            for (auto& vm : run->vms())
                if (vm->console && lines.empty()) lines = vm->console->last_lines(12);
            run->fail(fmt::format("{} of {} VMs were ready when the boot time-out passed",
                                  run->ready_count(), run->total_count()),
                      lines);
        }
    }
}

// What a task needs to go on with the session SAVED.
json resume_of(const checkpoint::SavedSession& saved) {
    json resume = {{"session", fmt::format("{:016x}", saved.id)}};
    for (const char* name : {"out", "err"}) {
        json stream = {{"offset", 0}, {"file", nullptr}};
        for (const auto& one : saved.streams) {
            if (one.name != name) continue;
            stream["offset"] = one.offset;
            if (one.file)
                stream["file"] = {{"device", one.file->device},
                                  {"inode", one.file->inode},
                                  {"length", one.file->length}};
        }
        resume[name] = stream;
    }
    return resume;
}

// The run of which another node's holond relays a task (relay.h).
Task<std::shared_ptr<Run>> run_of_relay(Daemon& daemon, const Connection& client,
                                        const json& request) {
    if (client.uid() != 0) throw Error("'session' is for local clients");
    const auto key = std::make_pair(request.at("job").get<std::uint32_t>(),
                                    request.at("restart").get<std::uint32_t>());
    const auto deadline = Clock::now() + std::chrono::seconds(60);
    while (!daemon.runs.count(key)) {
        const bool in_time = co_await daemon.changed.wait(deadline);
        if (!in_time && !daemon.runs.count(key))
            throw Error("job {}.{} is not known on {}", key.first, key.second, daemon.host);
    }
    co_return daemon.runs.at(key);
}

Task<void> session(Daemon& daemon, Connection& client, const json& request) {
    std::shared_ptr<Run> run;
    if (client.local())
        run = run_for(daemon, client, request);
    else
        run = co_await run_of_relay(daemon, client, request);
    auto id = std::stoull(request.at("session").get<std::string>(), nullptr, 16);
    if (run->failed()) throw Error("{}", run->failure());
    if (!run->plan()) throw Error("job {} has no VMs yet", run->job().id);
    const std::string node =
        client.local() ? run->prolog().node : request.at("from").get<std::string>();
    const bool smp = run->prolog().spec.mode == spec::Mode::smp;
    const auto& planned =
        smp ? plan::home(*run->plan())
            : plan::vm_for_task(*run->plan(), node, request.value("local_task", 0u),
                                std::max(1u, request.value("local_tasks", 1u)));
    if (client.local() && planned.node != run->prolog().node) {
        co_await relay_session(daemon, client, run, request, planned.node);
        co_return;
    }
    LocalVm* local = nullptr;
    for (auto& vm : run->vms())
        if (vm->vm.index == planned.index) local = vm.get();
    if (local == nullptr) throw Error("no VM of job {} runs on {}", run->job().id, daemon.host);
    // After a restart of this daemon the channel may still be on its way up.
    while ((local->state != VmState::running || !local->connected) && !run->failed() &&
           !run->stopping())
        if (!co_await run->changed().wait(Clock::now() + std::chrono::seconds(60)))
            throw Error("{} on {} does not answer", planned.name, daemon.host);
    if (run->failed()) throw Error("{}", run->failure());
    if (run->stopping()) throw Error("job {} has ended", run->job().id);
    json reply = {{"ok", true}, {"vm", planned.name}, {"env", run->vm_environment(planned)}};
    if (smp) reply["smp"] = run->smp_environment();
    if (!request.value("resume", false)) {
        const std::string step = request.value("step", std::string());
        const auto* saved = run->session_to_go_on_with(step, planned.index);
        if (saved == nullptr && step == "batch" && run->goes_on() && run->source() == nullptr)
            throw Error(
                "the checkpoint that the job goes on from is gone, so that it is not known where "
                "its script is");
        if (saved != nullptr) {
            reply["resume"] = resume_of(*saved);
            id = saved->id;
        }
        reply["truncate"] = step == "batch" && run->prolog().spec.wished_truncate;
    }
    reply["warned_by"] = run->preemption().warned_by(request.value("step", std::string()));
    co_await client.send(reply);
    Session relay(daemon.io, local->channel, client, id, run->user());
    run->sessions()[&relay] = {planned.index, request.value("step", std::string()),
                               request.value("marks", false)};
    struct Leave {
        Run& run;
        Session* session;
        ~Leave() {
            run.sessions().erase(session);
            run.changed().notify_all();
        }
    } leave{*run, &relay};
    // Whatever a client sends: one question at a time for each signal that it was asked to tell of.
    // Its answer is for all that the client has told of by then.
    auto open = std::make_shared<std::set<int>>();
    relay.warned = [&daemon, run, &relay, open, asked = reply["warned_by"]](int number, bool held) {
        const auto is_it = [number](const json& each) { return each.at("signal") == number; };
        if (std::none_of(asked.begin(), asked.end(), is_it))
            throw Error("signal {} was not asked for", number);
        if (!open->insert(number).second) return;
        asio::co_spawn(daemon.io, run->preemption().answer(run, &relay, relay.id(), number, held),
                       [open, number](std::exception_ptr) { open->erase(number); });
    };
    co_await relay.run();
}

Task<void> status(Daemon& daemon, Connection& client, const json& request) {
    json list = json::array();
    for (auto& [key, run] : daemon.runs) {
        if (client.uid() != 0 && client.uid() != run->prolog().uid) continue;
        if (request.contains("job") && request["job"] != key.first) continue;
        for (auto& entry : run->status()) list.push_back(entry);
    }
    json reply = {{"ok", true}, {"node", daemon.host}, {"vms", list}};
    co_await client.send(reply);
}

// The asker's VMs of a job, run by run: those that live and those on record.
Task<void> usage(Daemon& daemon, Connection& client, const json& request) {
    const std::uint32_t job = request.at("job");
    auto records = co_await blocking(daemon.pool, [&] { return daemon.usage_log.of_job(job); });
    for (auto& [key, run] : daemon.runs)
        if (key.first == job && !run->stopping())
            for (auto& record : run->usage()) records.push_back(std::move(record));
    json list = json::array();
    for (auto& record : records)
        if (client.uid() == 0 || record.value("uid", json()) == client.uid())
            list.push_back(std::move(record));
    json reply = {{"ok", true}, {"node", daemon.host}, {"vms", list}};
    co_await client.send(reply);
}

std::string base64(std::string_view bytes) {
    static constexpr char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string out;
    for (size_t i = 0; i < bytes.size(); i += 3) {
        std::uint32_t group = 0;
        size_t n = std::min<size_t>(3, bytes.size() - i);
        for (size_t k = 0; k < 3; ++k)
            group = group << 8 | (k < n ? static_cast<unsigned char>(bytes[i + k]) : 0u);
        for (size_t k = 0; k < 4; ++k) out += k <= n ? digits[group >> (18 - 6 * k) & 63] : '=';
    }
    return out;
}

Task<void> console(Daemon& daemon, std::shared_ptr<Connection> client, const json& request) {
    auto run = run_for(daemon, *client, request);
    std::string name = request.at("vm");
    std::shared_ptr<Console> shown;
    for (auto& vm : run->vms())
        if (vm->vm.name == name) shown = vm->console;
    if (!shown) throw Error("job {}: no {} with a console on {}", run->job().id, name, daemon.host);
    auto gone = std::make_shared<bool>(false);
    asio::co_spawn(
        daemon.io,
        [client, gone, shown]() -> Task<void> {
            co_await client->closed();
            *gone = true;
            shown->grew().notify_all();
        },
        asio::detached);
    std::uint64_t offset = shown->begin();
    while (!*gone) {
        if (offset < shown->end()) {
            auto text = shown->since(offset);
            offset = shown->end();
            json reply = {{"ok", true}, {"data", base64(text)}};
            co_await client->send(reply);
        } else if (!request.value("follow", false) || shown->closed()) {
            break;
        } else {
            co_await shown->grew().wait();
        }
    }
    if (!*gone) {
        json reply = {{"ok", true}, {"end", true}};
        co_await client->send(reply);
    }
    client->close();
}

// Makes a checkpoint of the job, or joins the one being made; it goes on if the asker goes away.
Task<void> checkpoint(Daemon& daemon, Connection& client, const json& request) {
    auto run = run_for(daemon, client, request);
    auto cut = run->checkpoint();
    const bool wait = request.value("wait", false);
    // Told now and then even where nothing changes, so that the asker knows that we are here.
    constexpr auto at_least_every = std::chrono::seconds(30);
    constexpr auto at_most_every = std::chrono::milliseconds(100);
    for (;;) {
        const bool over = cut->over();
        json now = cut->state();
        // Who does not wait hears of what comes to nothing at once, and the number of what begins.
        if (wait || over || now.value("number", 0u) != 0) {
            co_await client.send(now);
            if (over || !wait) co_return;
            asio::steady_timer pause(daemon.io, at_most_every);
            co_await pause.async_wait(asio::use_awaitable);
        }
        const auto deadline = Clock::now() + at_least_every;
        while (!cut->over() && cut->state() == now)
            if (!co_await run->changed().wait(deadline)) break;
    }
}

// Saves the job and has Slurm requeue it: for who wants its nodes.
Task<void> leave(Daemon& daemon, Connection& client, const json& request) {
    if (client.uid() != 0) throw Error("'leave' is for root");
    auto run = run_for(daemon, client, request);
    const std::uint32_t number = co_await run->preemption().leave(run);
    json reply = {{"ok", true}, {"number", number}};
    co_await client.send(reply);
}

// The run that another node's holond means.
std::shared_ptr<Run> run_of_peer(Daemon& daemon, const Connection& client, const json& request) {
    if (client.uid() != 0 || client.local()) throw Error("only another node's holond may ask that");
    const auto found = daemon.runs.find(
        {request.at("job").get<std::uint32_t>(), request.at("restart").get<std::uint32_t>()});
    if (found == daemon.runs.end() || !found->second->plan())
        throw Error("job {}: not known on {}", request.at("job").get<std::uint32_t>(), daemon.host);
    return found->second;
}

// Moves a VM to another node of the job; it goes on if the asker goes away.
Task<void> migrate(Daemon& daemon, Connection& client, const json& request) {
    auto run = run_for(daemon, client, request);
    const std::uint32_t vm = request.at("vm");
    const std::string to = request.at("node");
    struct Outcome {
        bool over = false;
        std::string fault;
        json moved;
    };
    auto outcome = std::make_shared<Outcome>();
    run->begin_work();
    asio::co_spawn(daemon.io, run->migration().move(run, vm, to),
                   [run, outcome](std::exception_ptr problem) {
                       try {
                           if (problem) std::rethrow_exception(problem);
                           outcome->moved = run->migration().moved();
                       } catch (const std::exception& error) {
                           outcome->fault = error.what();
                       }
                       outcome->over = true;
                       run->end_work();
                   });
    constexpr auto at_least_every = std::chrono::seconds(30);
    constexpr auto at_most_every = std::chrono::milliseconds(100);
    asio::steady_timer pause(daemon.io, at_most_every);
    co_await pause.async_wait(asio::use_awaitable);
    while (!outcome->over) {
        json now = run->migration().progress();
        co_await client.send(now);
        pause.expires_after(at_most_every);
        co_await pause.async_wait(asio::use_awaitable);
        const auto deadline = Clock::now() + at_least_every;
        while (!outcome->over && run->migration().progress() == now)
            if (!co_await run->changed().wait(deadline)) break;
    }
    if (!outcome->fault.empty()) throw Error("{}", outcome->fault);
    co_await client.send(outcome->moved);
}

// A request sealed for another host is a replay, or a mistake.
Task<void> check_addressee(Daemon& daemon, Connection& client, const json& request) {
    if (client.local()) co_return;
    std::string to = request.value("to", std::string());
    if (to == daemon.host) co_return;
    sockaddr_storage ours{};
    socklen_t length = sizeof ours;
    ::getsockname(client.socket().native_handle(), reinterpret_cast<sockaddr*>(&ours), &length);
    char text[INET6_ADDRSTRLEN] = {};
    if (ours.ss_family == AF_INET)
        ::inet_ntop(AF_INET, &reinterpret_cast<sockaddr_in*>(&ours)->sin_addr, text, sizeof text);
    std::string resolved = co_await blocking(daemon.pool, [&] { return network::resolve(to); });
    if (resolved != text) throw Error("a request for {} reached {}", to, daemon.host);
}

}  // namespace

Task<void> handle_client(Daemon& daemon, std::shared_ptr<Connection> client,
                         const std::function<void()>& is_root) {
    std::string fault;
    try {
        json request = co_await client->receive(Clock::now() + std::chrono::seconds(10));
        if (client->uid() == 0) is_root();
        co_await check_addressee(daemon, *client, request);
        std::string op = request.value("op", std::string());
        if (op == "ping") {
            auto now = std::chrono::system_clock::now().time_since_epoch();
            json reply = {
                {"ok", true},
                {"version", HOLON_VERSION},
                {"node", daemon.host},
                {"time_ns", std::chrono::duration_cast<std::chrono::nanoseconds>(now).count()}};
            co_await client->send(reply);
        } else if (op == "prolog") {
            co_await prolog(daemon, *client, request);
        } else if (op == "container") {
            co_await container(daemon, *client, request);
        } else if (op == "epilog") {
            co_await epilog(daemon, *client, request);
        } else if (op == "wait") {
            co_await wait(daemon, *client, request);
        } else if (op == "session") {
            co_await session(daemon, *client, request);
        } else if (op == "status") {
            co_await status(daemon, *client, request);
        } else if (op == "usage") {
            co_await usage(daemon, *client, request);
        } else if (op == "console") {
            co_await console(daemon, client, request);
        } else if (op == "checkpoint") {
            co_await checkpoint(daemon, *client, request);
        } else if (op == "migrate") {
            co_await migrate(daemon, *client, request);
        } else if (op == "lodge") {
            auto run = run_of_peer(daemon, *client, request);
            co_await run->migration().lodge(run, *client, request);
        } else if (op == "disk") {
            auto run = run_of_peer(daemon, *client, request);
            co_await run->migration().take_disk(run, *client, request);
        } else if (op == "channel") {
            auto run = run_of_peer(daemon, *client, request);
            co_await run->migration().channel(run, *client, request);
        } else if (op == "leave") {
            co_await leave(daemon, *client, request);
        } else if (op == "peer") {
            co_await serve_peer(daemon, client, request);
        } else if (op == "checkpointed") {
            require_local_root(*client, "checkpointed");
            const auto report = site::checkpoint_report(request.at("checkpoint"));
            co_await publish_checkpoint(daemon, report);
            json reply = {{"ok", true}};
            co_await client->send(reply);
        } else if (op == "jobs") {
            require_local_root(*client, "jobs");
            json jobs = json::array();
            for (auto& [key, run] : daemon.runs)
                jobs.push_back({{"job", key.first}, {"restart", key.second}});
            json reply = {{"ok", true}, {"jobs", jobs}};
            co_await client->send(reply);
        } else {
            throw Error("'{}' is not a request that holond {} knows", op, HOLON_VERSION);
        }
    } catch (const std::exception& error) {
        fault = error.what();
    }
    if (fault.empty()) co_return;
    try {
        json reply = {{"error", fault}};
        co_await client->send(reply);
    } catch (const std::exception&) {
        // The client has gone; there is nobody to tell.
    }
    client->close();  // a coroutine that still sends to it sees that, and ends
}

}  // namespace holon::node

// SPDX-License-Identifier: GPL-2.0-or-later
//
// The control server's part in looking at programs and moving their threads.
#include "ssi/daemon/observed.h"

#include <fcntl.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>

#include "plugins/os/error.h"
#include "ssi/inject/process.h"

namespace holon::ssi::daemon {
namespace {

// A look is repeated every few seconds; who stops looking leaves nothing behind.
constexpr std::chrono::seconds look{15};
constexpr std::chrono::hours session_time{24 * 365};
constexpr std::size_t max_recorded = 256;  // processes of a session: each holds a descriptor
constexpr std::chrono::seconds move_limit{20};

long status_of(pid_t pid, const std::string& name) {
    std::ifstream in("/proc/" + std::to_string(pid) + "/status");
    std::string line;
    while (std::getline(in, line))
        if (line.starts_with(name)) return std::atol(line.c_str() + name.size());
    return 0;
}

std::string name_of(pid_t pid) {
    std::ifstream in("/proc/" + std::to_string(pid) + "/comm");
    std::string line;
    std::getline(in, line);
    return printable(line);
}

bool descends(pid_t pid, pid_t from) {
    for (int depth = 0; pid > 1 && depth < 1000; ++depth) {
        if (pid == from) return true;
        pid = static_cast<pid_t>(status_of(pid, "PPid:"));
    }
    return false;
}

os::Fd copy_of(const os::Fd& fd) {
    return os::Fd(fd.valid() ? ::fcntl(fd.get(), F_DUPFD_CLOEXEC, 0) : -1);
}

}  // namespace

std::vector<ControlServer::Observed> ControlServer::Session::recorded() const {
    const std::lock_guard lock(mutex_);
    std::vector<Observed> list;
    for (const auto& each : all_)
        list.push_back(
            {each->pid, each->uid, each->program, 0, each->pinned, copy_of(each->memory)});
    return list;
}

std::shared_ptr<ControlServer::Session> ControlServer::profile(pid_t above) {
    auto session = std::make_shared<Session>(mutex_, above);
    const std::lock_guard lock(mutex_);
    std::erase_if(sessions_, [](const auto& each) { return each.expired(); });
    sessions_.push_back(session);
    return session;
}

// It has said hello; CLIENT's own thread.
void ControlServer::join_session(Client& client) {
    {
        const std::lock_guard lock(mutex_);
        if (sessions_.empty() || client.recorded) return;
    }
    const std::string program = name_of(client.who.pid);
    const std::lock_guard lock(mutex_);
    for (const auto& each : sessions_) {
        const auto session = each.lock();
        if (!session || !descends(client.who.pid, session->above_) ||
            session->all_.size() >= max_recorded)
            continue;
        client.recorded =
            std::make_shared<Recorded>(Recorded{client.who.pid, client.who.uid, program, {}, {}});
        session->all_.push_back(client.recorded);
        return;
    }
}

bool ControlServer::attend(Client& client) {
    int ends[2];
    if (client.orders || ::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
        throw Error("no socket for orders");
    os::Fd mine(ends[0]), its(ends[1]);
    const auto orders = std::make_shared<Orders>(std::move(mine));
    os::Fd memory;
    if (client.recorded) memory = orders->record(session_time);
    {
        const std::lock_guard lock(mutex_);
        client.orders = orders;
        if (client.recorded) client.recorded->memory = std::move(memory);
    }
    ControlMessage message{};
    message.type = ControlType::attending;
    return send_packet(client.socket.get(),
                       {reinterpret_cast<const char*>(&message), sizeof message}, its.get());
}

std::vector<ControlServer::Observed> ControlServer::observe(uid_t asking) {
    struct Found {
        Observed observed;
        std::shared_ptr<Orders> orders;
    };
    std::vector<Found> found;
    {
        const std::lock_guard lock(mutex_);
        for (const Client& client : clients_)
            if (asking == 0 || asking == client.who.uid)
                found.push_back(
                    {{client.who.pid, client.who.uid, {}, client.away, client.pinned, {}},
                     client.orders});
    }
    std::vector<Observed> list;
    for (Found& each : found) {
        each.observed.program = name_of(each.observed.pid);
        try {
            if (each.orders) each.observed.memory = each.orders->record(look);
        } catch (const Error&) {
            continue;  // it is about to end
        }
        list.push_back(std::move(each.observed));
    }
    return list;
}

std::shared_ptr<Orders> ControlServer::orders_of(uid_t asking, pid_t pid) {
    struct stat status {};
    const std::string directory = "/proc/" + std::to_string(pid);
    if (::stat(directory.c_str(), &status) != 0 || (asking != 0 && asking != status.st_uid))
        throw Error("no process {} of yours", pid);
    {
        const std::lock_guard lock(mutex_);
        for (const Client& client : clients_) {
            if (client.who.pid != pid) continue;
            if (asking != 0 && asking != client.who.uid) throw Error("no process {} of yours", pid);
            if (!client.pinned.empty())
                throw Error("process {} stays at home: {}", pid, client.pinned);
            if (client.orders) return client.orders;
        }
    }
    if (!inject::has_runtime(pid)) throw Error("process {} was not started under ssi run", pid);
    throw Error("process {} has had one thread so far, and stays at home", pid);
}

void ControlServer::bring_home(uid_t asking, pid_t pid) {
    std::shared_ptr<Orders> orders;
    {
        const std::lock_guard lock(mutex_);
        for (const Client& client : clients_)
            if (client.who.pid == pid && (asking == 0 || asking == client.who.uid))
                orders = client.orders;
    }
    if (!orders) return;
    try {
        if (!orders->bring_home(move_limit))
            spdlog::warn("process {} is traced and not at home: what is elsewhere is not seen",
                         pid);
    } catch (const Error&) {
        // It has ended.
    }
}

std::string ControlServer::move(uid_t asking, pid_t pid, pid_t tid, std::uint32_t node) {
    // One number may name either.
    if (const auto process = static_cast<pid_t>(status_of(pid, "Tgid:")); process != pid) {
        if (process == 0) throw Error("no process or thread {} of yours", pid);
        tid = pid;
        pid = process;
    } else if (tid != 0 && status_of(tid, "Tgid:") != pid) {
        throw Error("process {} has no thread {}", pid, tid);
    }
    const auto outcome = orders_of(asking, pid)->move(tid, node, move_limit);
    nlohmann::json list = nlohmann::json::array();
    for (const Orders::Moved& each : outcome.threads)
        list.push_back(
            {{"pid", pid}, {"tid", each.tid}, {"node", each.node}, {"error", each.why_not}});
    if (!outcome.complete)
        list.push_back({{"pid", pid},
                        {"tid", tid},
                        {"node", node},
                        {"error", "a thread has not moved yet; it will when it can"}});
    return list.dump();
}

}  // namespace holon::ssi::daemon

// SPDX-License-Identifier: GPL-2.0-or-later
#include "ssi/daemon/control_server.h"

#include <fcntl.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>

#include "plugins/os/error.h"
#include "ssi/daemon/messages.h"
#include "ssi/daemon/observed.h"
#include "ssi/daemon/own_memory.h"
#include "ssi/daemon/priority.h"

namespace holon::ssi::daemon {
namespace {

constexpr std::ptrdiff_t max_programs_per_user = 2048;

bool reply(int socket, const ControlMessage& message, int descriptor = -1) {
    return send_packet(socket, {reinterpret_cast<const char*>(&message), sizeof message},
                       descriptor);
}

bool refuse(int socket, const std::string& why) {
    ControlMessage message{};
    message.type = ControlType::refused;
    why.copy(message.text, sizeof message.text - 1);
    return reply(socket, message);
}

std::string text_of(const ControlMessage& message) {
    return printable({message.text, ::strnlen(message.text, sizeof message.text)});
}

}  // namespace

ControlServer::ControlServer(const Members& members, Peers& peers, const Digest& runtime)
    : members_(members), peers_(peers), runtime_(runtime) {}
ControlServer::~ControlServer() = default;

void ControlServer::serve(const std::string& address, Departed departed) {
    departed_ = std::move(departed);
    os::Fd listener = listen_local(address);
    std::thread([this, listener = std::move(listener)] { accept_all(listener); }).detach();
}

void ControlServer::accept_all(const os::Fd& listener) {
    for (;;) {
        os::Fd socket = accept_from(listener);
        try {
            const ucred who = credentials_of(socket.get());
            std::vector<gid_t> groups = groups_of(socket.get());
            const std::lock_guard lock(mutex_);
            const auto same = std::count_if(clients_.begin(), clients_.end(),
                                            [&](const Client& c) { return c.who.uid == who.uid; });
            if (same >= max_programs_per_user) {
                refuse(socket.get(), "too many programs of this user have threads");
                continue;
            }
            const auto client = clients_.emplace(clients_.end());
            client->socket = std::move(socket);
            client->who = who;
            client->groups = std::move(groups);
            std::thread([this, client] {
                serve_client(*client);
                log_end(*client);
                judged(*client);
                const pid_t process = client->who.pid;
                const auto number = client->unsettled;
                const auto bodies = client->bodies;
                {
                    const std::lock_guard end(mutex_);
                    clients_.erase(client);
                }
                if (number != 0) settle(process, number, bodies);
            }).detach();
        } catch (const std::exception& error) {
            spdlog::warn("a program could not be served: {}", error.what());
        }
    }
}

void ControlServer::serve_client(Client& client) {
    const int socket = client.socket.get();
    while (auto packet = receive_packet(socket, sizeof(ControlMessage))) {
        ControlMessage request;
        if (packet->bytes.size() != sizeof request) return;
        std::memcpy(&request, packet->bytes.data(), sizeof request);
        try {
            if (!answer(client, request)) return;
        } catch (const std::exception& error) {
            spdlog::warn("process {} of uid {}: {}", client.who.pid, client.who.uid, error.what());
            if (!refuse(socket, error.what())) return;
        }
    }
}

bool ControlServer::answer(Client& client, const ControlMessage& request) {
    switch (request.type) {
        case ControlType::hello:
            return welcome(client, request);
        case ControlType::start_body:
            return start_body(client, request);
        case ControlType::open_channel:
            return open_channel(client, request);
        case ControlType::pinned:
            remember(client, text_of(request));
            return true;
        case ControlType::counters: {
            const std::lock_guard lock(mutex_);
            client.away = request.value;
            return true;
        }
        case ControlType::agent: {
            const auto tid = static_cast<pid_t>(request.value);
            if (!client.agent && is_thread_of(client.who.pid, tid, client.who.uid))
                run_before_all(tid);
            client.agent = true;
            return true;
        }
        case ControlType::used: {
            children_.add(client.who.pid, {request.value, request.timeout});
            children_.settle(client.unsettled);
            client.unsettled = 0;
            ControlMessage message{};
            message.type = ControlType::counted;
            return reply(client.socket.get(), message);
        }
        case ControlType::attend:
            return attend(client);
        case ControlType::own_memory: {
            ControlMessage message{};
            message.type = ControlType::own_memory_opened;
            const os::Fd file = open_memory_of(client.who.pid, static_cast<unsigned>(request.value),
                                               {request.text, own_memory_proof});
            return reply(client.socket.get(), message, file.get());
        }
        default:
            return refuse(client.socket.get(), "no such request");
    }
}

// What became of its threads, when nobody can ask `ssi ps` any more. The CPU time that they used is
// in the logs of their nodes (bodies.cpp), under the same process number.
void ControlServer::log_end(const Client& client) {
    if (!client.greeted) return;
    nlohmann::json started = nlohmann::json::object();
    for (const auto& [node, threads] : client.started) started[std::to_string(node)] = threads;
    const nlohmann::json end{{"pid", client.who.pid},
                             {"uid", client.who.uid},
                             {"program", printable(client.program)},
                             {"started", started},
                             {"pinned", client.pinned}};
    spdlog::info("process ended: {}", end.dump());
}

void ControlServer::remember(Client& client, const std::string& reason) {
    {
        const std::lock_guard lock(mutex_);
        client.pinned = reason;
        if (client.recorded) client.recorded->pinned = reason;
    }
    if (reason != better_at_home || !client.file || client.apart == History::Time()) return;
    const unsigned starts = history_.worse(*client.file, std::chrono::steady_clock::now());
    spdlog::info("process {} ({}) is better at home; so are its next {} starts", client.who.pid,
                 client.file->name, starts);
}

// The program has ended: one that was apart for long enough to be taken home, and was not, is one
// whose next start may leave.
void ControlServer::judged(const Client& client) {
    constexpr std::chrono::seconds enough(2);
    if (!client.file || client.apart == History::Time() || !client.pinned.empty()) return;
    if (std::chrono::steady_clock::now() - client.apart >= enough) history_.better(*client.file);
}

// It has ended, or executed another program, and has not said what its bodies had used.
void ControlServer::settle(pid_t process, std::uint64_t number,
                           const std::map<std::uint32_t, Token>& bodies) {
    inject::UsedElsewhere sum;
    for (const auto& [node, token] : bodies) try {
            const BodyUsed used =
                decode_used(peers_.ask(node, {MessageType::ended, encode(EndedRequest{token})}));
            sum.user += used.user;
            sum.system += used.system;
        } catch (const Error& error) {
            spdlog::warn("process {}: its CPU time on node {} is not known: {}", process, node,
                         error.what());
        }
    children_.settle(number, sum);
}

bool ControlServer::welcome(Client& client, const ControlMessage& request) {
    const os::Fd userfaultfd(::open("/dev/userfaultfd", O_RDWR | O_CLOEXEC));
    if (!userfaultfd.valid()) throw Error("/dev/userfaultfd: {}", errno_text());
    ControlMessage message{};
    message.type = ControlType::welcome;
    // A node that is down counts: numbers of nodes and CPUs do not change.
    for (const MemberInfo& member : members_.list()) {
        message.value = std::max<std::uint64_t>(message.value, member.number + 1);
        message.node_cpus[member.number] = member.cpus;
        if (member.up) message.node |= 1U << member.number;
    }
    message.timeout = static_cast<std::uint64_t>(peers_.timeout().count());
    client.greeted = true;
    join_session(client);
    std::error_code error;
    client.program =
        std::filesystem::read_symlink("/proc/" + std::to_string(client.who.pid) + "/exe", error);
    if (request.node == 0) client.file = program_of(client.who.pid, client.who.uid);
    if (client.file && history_.stays(*client.file, std::chrono::steady_clock::now()))
        std::memcpy(message.text, known_better, sizeof known_better);
    return reply(client.socket.get(), message, userfaultfd.get());
}

bool ControlServer::start_body(Client& client, const ControlMessage& request) {
    if (!client.greeted) return refuse(client.socket.get(), "no hello before it");
    if (client.unsettled == 0) {
        client.unsettled = children_.begin(client.who.pid);
        departed_(client.who.pid);
    }
    if (client.bodies.contains(request.node))
        return refuse(client.socket.get(), "there is a body process on that node already");
    BodyRequest body{random_digest(), client.who.uid,
                     client.who.gid,  {},
                     runtime_,        static_cast<std::uint32_t>(client.who.pid)};
    body.groups.assign(client.groups.begin(), client.groups.end());
    const os::Fd link = peers_.request(request.node, {MessageType::body, encode(body)});
    client.bodies[request.node] = body.token;
    client.started[request.node] = 0;
    if (client.apart == History::Time()) client.apart = std::chrono::steady_clock::now();
    ControlMessage message{};
    message.type = ControlType::body_started;
    message.node = request.node;
    return reply(client.socket.get(), message, link.get());
}

bool ControlServer::open_channel(Client& client, const ControlMessage& request) {
    const auto body = client.bodies.find(request.node);
    if (body == client.bodies.end())
        return refuse(client.socket.get(), "no body process on that node");
    const os::Fd channel = peers_.request(
        request.node, {MessageType::channel, encode(ChannelRequest{body->second, request.value})});
    ++client.started[request.node];
    ControlMessage message{};
    message.type = ControlType::channel_opened;
    message.node = request.node;
    message.value = request.value;
    return reply(client.socket.get(), message, channel.get());
}

std::vector<ControlServer::Program> ControlServer::programs() const {
    const std::lock_guard lock(mutex_);
    std::vector<Program> programs;
    for (const Client& client : clients_)
        programs.push_back({client.who.pid, client.who.uid, client.away, client.pinned});
    return programs;
}

}  // namespace holon::ssi::daemon

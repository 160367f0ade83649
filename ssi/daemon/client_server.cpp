// SPDX-License-Identifier: GPL-2.0-or-later
#include "ssi/daemon/client_server.h"

#include <poll.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <atomic>
#include <cstring>
#include <memory>
#include <nlohmann/json.hpp>
#include <thread>

#include "plugins/os/error.h"
#include "ssi/daemon/client.h"
#include "ssi/runtime/parameters.h"

namespace holon::ssi::daemon {
namespace {

constexpr int max_clients = 256;
constexpr std::size_t packet_size = 32 * 1024;

void answer_run(const ClientActions& actions, int socket, Packet& packet, std::uint32_t flags) {
    ClientAnswer answer{};
    try {
        if (!packet.fd.valid()) throw Error("no listener came with the request");
        actions.run(std::move(packet.fd), flags, credentials_of(socket).uid);
        if (const ucred who = credentials_of(socket);
            who.uid == 0 && actions.give_views && (flags & Parameters::home_only) == 0)
            actions.give_views(who.pid, socket);
        actions.runtime.copy(answer.text, sizeof answer.text - 1);
        answer.good = 1;
    } catch (const std::exception& error) {
        std::string(error.what()).copy(answer.text, sizeof answer.text - 1);
    }
    send_packet(socket, {reinterpret_cast<const char*>(&answer), sizeof answer});
}

void limit_sending(int socket) {
    const timeval limit{10, 0};
    ::setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
}

// Each with its recording.
void send_observed(int socket, const std::vector<ControlServer::Observed>& observed) {
    limit_sending(socket);
    for (const ControlServer::Observed& each : observed) {
        const nlohmann::json entry = {{"pid", each.pid},
                                      {"uid", each.uid},
                                      {"program", each.program},
                                      {"away", each.away},
                                      {"pinned", each.pinned}};
        if (!send_packet(socket, entry.dump(), each.memory.get())) return;
    }
}

// The session lasts as long as the connection, or until a second packet asks for what there is.
void answer_profile(const ClientActions& actions, int socket) {
    const auto recorded = actions.profile(credentials_of(socket).pid);
    if (!send_packet(socket, "{}") || !receive_packet(socket, packet_size)) return;
    send_observed(socket, recorded());
}

std::string answer_json(const ClientActions& actions, int socket, const ClientMessage& message) {
    const uid_t asking = credentials_of(socket).uid;
    switch (message.request) {
        case ClientRequest::nodes:
            return nodes_as_json(actions.nodes());
        case ClientRequest::processes:
            return actions.processes(asking);
        case ClientRequest::move:
            return actions.move(asking, message.pid, message.tid, message.node);
        case ClientRequest::observe:
            send_observed(socket, actions.observe(asking));
            return {};
        case ClientRequest::profile:
            answer_profile(actions, socket);
            return {};
        default:
            throw Error("no such request");
    }
}

void serve_client(const ClientActions& actions, int socket) {
    pollfd entry{socket, POLLIN, 0};
    if (::poll(&entry, 1, 10'000) != 1) return;
    auto packet = receive_packet(socket, sizeof(ClientMessage));
    ClientMessage message;
    if (!packet || packet->bytes.size() != sizeof message) return;
    std::memcpy(&message, packet->bytes.data(), sizeof message);
    if (message.request == ClientRequest::run)
        return answer_run(actions, socket, *packet, message.flags);
    std::string json;
    try {
        if (message.request > ClientRequest::processes && !actions.observe)
            throw Error("programs are at home on the first node; ask there");
        json = answer_json(actions, socket, message);
    } catch (const std::exception& error) {
        json = nlohmann::json{{"error", error.what()}}.dump();
    }
    limit_sending(socket);
    for (std::string_view rest = json; !rest.empty();) {
        if (!send_packet(socket, rest.substr(0, packet_size))) return;
        rest.remove_prefix(std::min(rest.size(), packet_size));
    }
}

}  // namespace

void serve_clients(const std::string& address, ClientActions actions) {
    std::thread([listener = listen_local(address),
                 shared = std::make_shared<ClientActions>(std::move(actions))] {
        static std::atomic<int> clients{0};
        for (;;) {
            os::Fd socket = accept_from(listener);
            if (clients >= max_clients) continue;
            ++clients;
            std::thread([socket = std::move(socket), shared] {
                serve_client(*shared, socket.get());
                --clients;
            }).detach();
        }
    }).detach();
}

std::string nodes_as_json(const std::vector<MemberInfo>& members) {
    nlohmann::json nodes = nlohmann::json::array();
    for (const MemberInfo& member : members)
        nodes.push_back({{"node", member.number},
                         {"name", member.name},
                         {"address", member.address},
                         {"cpus", member.cpus},
                         {"state", member.up ? "up" : "down"}});
    return nodes.dump();
}

}  // namespace holon::ssi::daemon

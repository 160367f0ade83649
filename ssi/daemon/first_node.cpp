// SPDX-License-Identifier: GPL-2.0-or-later
//
// The first node: home of all programs, keeper of the table of members.
#include <signal.h>
#include <spdlog/spdlog.h>

#include <memory>
#include <thread>

#include "plugins/os/error.h"
#include "ssi/daemon/client.h"
#include "ssi/daemon/client_server.h"
#include "ssi/daemon/control_server.h"
#include "ssi/daemon/inbound.h"
#include "ssi/daemon/members.h"
#include "ssi/daemon/node.h"
#include "ssi/daemon/observed.h"
#include "ssi/daemon/peers.h"
#include "ssi/daemon/processes.h"
#include "ssi/daemon/views.h"
#include "ssi/daemon/wait.h"
#include "ssi/inject/injector.h"

namespace holon::ssi::daemon {
namespace {

std::uint32_t nodes_up(const Members& members) {
    std::uint32_t up = 0;
    for (const MemberInfo& member : members.list())
        if (member.up) ++up;
    return up;
}

// One member's link, from its request to join to its loss: a ping with the table of members, a
// pong, over and over.
void serve_member(Node& node, Members& members, Peers& peers, const Views& views,
                  Connection connection) {
    const Message request = connection.receive();
    if (request.type != MessageType::join) throw Error("a member that does not join");
    const Join join = decode_join(request.payload);
    Endpoint endpoint = peer_of(connection.fd());
    endpoint.set_port(join.port);
    std::uint32_t number = 0;
    try {
        number = members.join(join, endpoint);
    } catch (const Error& error) {
        connection.send({MessageType::refused, error.what()});
        throw Error("{} cannot join: {}", join.name, error.what());
    }
    peers.forget(number);
    connection.send({MessageType::joined, encode(Joined{number, node.name})});
    spdlog::info("node {} ({}, {}, {} CPUs) has joined", number, join.name, endpoint.text(),
                 join.cpus);
    node.ready.up(nodes_up(members));
    try {
        while (members.is_current(number, join.instance)) {
            connection.send({MessageType::ping, encode(members.list())}, node.timeout);
            const Message pong = connection.receive(node.timeout);
            if (pong.type != MessageType::pong) throw Error("not a pong");
            view::Report report;
            if (!pong.payload.empty()) report = view::decode_report(pong.payload);
            report.cpus = join.cpus;
            report.up = true;
            views.tell(number, report);
            wait_for_heartbeat(connection.fd(), node.timeout);
        }
    } catch (const Error& error) {
        spdlog::warn("node {} ({}) is lost: {}", number, join.name, error.what());
        members.lost(number, join.instance);
        view::Report down;
        down.cpus = join.cpus;
        if (!members.endpoint(number)) views.tell(number, down);
        peers.forget(number);
    }
}

// At their numbers.
std::vector<inject::NodeCpus> cpus_of(const std::vector<MemberInfo>& members) {
    std::vector<inject::NodeCpus> nodes;
    for (const MemberInfo& member : members) {
        if (nodes.size() <= member.number) nodes.resize(member.number + 1);
        nodes[member.number] = {member.cpus, member.up};
    }
    return nodes;
}

}  // namespace

void run_first_node(Node& node, Keeper keeper) {
    const Views views(node.cpus);
    Members members(node.name, node.listen.text(), node.cpus, node.runtime.digest, node.machine);
    const Digest runtime = node.runtime.digest;
    Peers peers(members, node.trust, node.timeout);
    ControlServer control(members, peers, runtime);
    inject::Injector injector(
        std::move(node.runtime), control_address(node.partition),
        {inject::usable_cpus(), [&] { return cpus_of(members.list()); }},
        [&](uid_t asking, pid_t pid) { control.bring_home(asking, pid); },
        {[&](pid_t pid, pid_t child) { return control.children().of_children(pid, child); },
         [&](pid_t pid) { return control.children().expected(pid); }});
    for (Kept& kept : keeper.take()) {
        spdlog::info("programs of an earlier ssid are served again");
        injector.serve(std::move(kept.listener), kept.flags, kept.owner);
    }
    control.serve(control_address(node.partition), [&](pid_t pid) { injector.departed(pid); });
    serve_clients(client_address(node.partition),
                  {[&](os::Fd listener, std::uint32_t flags, uid_t asking) {
                       if (!inject::is_listener(listener.get()))
                           throw Error("what was passed is not a filter's listener");
                       if (!keeper.keep(listener.get(), flags, asking))
                           throw Error("ssid has lost its keeper; it must be restarted");
                       injector.serve(std::move(listener), flags, asking);
                   },
                   [&] { return members.list(); },
                   [&](uid_t asking) {
                       return processes_as_json(asking, injector.runtime().path, control.programs(),
                                                injector.pinned());
                   },
                   [&](pid_t process, int socket) {
                       try {
                           views.give(process, socket);
                       } catch (const Error& error) {
                           spdlog::warn("process {} sees the home's own /proc and /sys: {}",
                                        process, error.what());
                       }
                   },
                   injector.runtime().path, [&](uid_t asking) { return control.observe(asking); },
                   [&](uid_t asking, pid_t pid, pid_t tid, std::uint32_t to) {
                       if (to != 0 && !members.endpoint(to)) throw Error("node {} is not up", to);
                       return control.move(asking, pid, tid, to);
                   },
                   [&](pid_t above) {
                       return [session = control.profile(above)] { return session->recorded(); };
                   }});
    serve_daemons(node, [&](Connection connection) {
        if (connection.purpose() != Purpose::member)
            throw Error("this is the first node: programs have no threads from elsewhere here");
        serve_member(node, members, peers, views, std::move(connection));
    });
    spdlog::info("first node {} of partition {} on {}, {} CPUs", node.name, node.partition,
                 node.listen.text(), node.cpus);
    node.ready.up(nodes_up(members));
    wait_for_end();
    exit_now();
}

}  // namespace holon::ssi::daemon

// SPDX-License-Identifier: GPL-2.0-or-later
//
// A node that joined another: runs body processes.
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <atomic>
#include <mutex>
#include <thread>

#include "plugins/os/error.h"
#include "ssi/daemon/bodies.h"
#include "ssi/daemon/client.h"
#include "ssi/daemon/client_server.h"
#include "ssi/daemon/inbound.h"
#include "ssi/daemon/node.h"
#include "ssi/daemon/processes.h"
#include "ssi/daemon/wait.h"
#include "ssi/inject/affinity.h"
#include "ssi/view/report.h"

namespace holon::ssi::daemon {
namespace {

// What the first node told last.
class View {
  public:
    void set(std::vector<MemberInfo> members) {
        const std::lock_guard lock(mutex_);
        members_ = std::move(members);
    }
    std::vector<MemberInfo> get() const {
        const std::lock_guard lock(mutex_);
        if (members_.empty()) throw Error("this node has not heard from the first node yet");
        return members_;
    }

  private:
    mutable std::mutex mutex_;
    std::vector<MemberInfo> members_;
};

// Thrown on by the membership thread's end: the first node does not want this one.
struct Refused {
    std::string why;
};

// From joining to the loss of the link. NUMBER is asked for, and set.
void be_member(Node& node, std::atomic<std::uint32_t>& number, View& view) {
    Connection connection =
        Connection::connect(*node.home, node.trust, Purpose::member, node.timeout);
    const Join join{node.instance, node.name,           node.listen.port(), number,
                    node.cpus,     node.runtime.digest, node.machine};
    connection.send({MessageType::join, encode(join)});
    const Message answer = connection.receive();
    if (answer.type == MessageType::refused) throw Refused{printable(answer.payload)};
    const Joined joined = decode_joined(answer.payload);
    if (number != 0 && number != joined.number)
        throw Refused{
            fmt::format("it was node {}, and now would be {}", number.load(), joined.number)};
    number = joined.number;
    spdlog::info("node {} of the partition of {} ({})", joined.number, joined.home,
                 node.home->text());
    node.ready.up(1);
    const KernelCpus kernel = inject::usable_cpus();
    for (;;) {
        const Message ping = connection.receive(node.timeout);
        if (ping.type != MessageType::ping) throw Error("not a ping");
        view.set(decode_members(ping.payload));
        std::string report = view::encode(view::report_of_this_node(node.cpus, kernel));
        if (report.size() > max_message_payload) report.clear();
        connection.send({MessageType::pong, std::move(report)}, node.timeout);
    }
}

void serve_work(Bodies& bodies, std::uint32_t number, Connection connection) {
    // The request comes when a program needs it; TCP's keepalive tells when it cannot come.
    constexpr std::chrono::hours patience{24 * 365};
    Message request;
    try {
        request = connection.receive(patience);
    } catch (const Error&) {
        return;  // never used
    }
    try {
        if (request.type == MessageType::body)
            bodies.run(decode_body(request.payload), number, connection);
        else if (request.type == MessageType::channel)
            bodies.pass(decode_channel(request.payload), connection);
        else if (request.type == MessageType::ended)
            connection.send(
                {MessageType::ok, encode(bodies.used(decode_ended(request.payload).token))});
        else
            throw Error("an unknown request");
    } catch (const Error& error) {
        connection.send({MessageType::refused, error.what()});
        throw;
    }
}

}  // namespace

void run_member(Node& node) {
    Bodies bodies(node.runtime);
    View view;
    std::atomic<std::uint32_t> number{0};
    serve_daemons(node, [&](Connection connection) {
        if (connection.purpose() != Purpose::work) throw Error("this is not the first node");
        serve_work(bodies, number, std::move(connection));
    });
    serve_clients(client_address(node.partition),
                  {[&](os::Fd, std::uint32_t, uid_t) {
                       throw Error("programs start on the first node, {}", node.home->host());
                   },
                   [&] { return view.get(); },
                   [&](uid_t asking) { return bodies_as_json(asking, bodies.list()); },
                   {},
                   {},
                   {},
                   {},
                   {}});
    std::thread([&] {
        std::string last;
        for (unsigned failed = 1;; ++failed) {
            const auto began = Clock::now();
            try {
                be_member(node, number, view);
            } catch (const Refused& refused) {
                spdlog::error("{} refuses this node: {}", node.home->text(), refused.why);
                bodies.end_all();
                ::_exit(1);
            } catch (const std::exception& error) {
                if (last != error.what()) spdlog::warn("no first node: {}", last = error.what());
            }
            // One that was a member for a while begins anew.
            if (Clock::now() - began > node.timeout) failed = 1;
            wait_before_retry(failed);
        }
    }).detach();
    wait_for_end();
    bodies.end_all();
    exit_now();
}

}  // namespace holon::ssi::daemon

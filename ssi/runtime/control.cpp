// SPDX-License-Identifier: GPL-2.0-or-later
#include "ssi/runtime/control.h"

#include "ssi/runtime/layout.h"
#include "ssi/runtime/link.h"
#include "ssi/runtime/parameters.h"
#include "ssi/runtime/process.h"

namespace holon::ssi {
namespace {

using sys::IoVec;
using sys::MsgHeader;
/// struct cmsghdr with one descriptor.
struct Rights {
    std::uint64_t length;
    std::int32_t level, type;
    std::int32_t descriptor;
    std::int32_t pad;
};
struct UnixAddress {
    std::uint16_t family;
    char path[108];
};
struct Credentials {
    std::int32_t pid;
    std::uint32_t uid, gid;
};
constexpr int af_unix = 1, sock_seqpacket = 5, sock_cloexec = 02000000, sol_socket = 1,
              scm_rights = 1, so_peercred = 17, msg_cmsg_cloexec = 0x40000000,
              msg_nosignal = 0x4000;

/// Sends, waits for the reply of that type, returns its descriptor or -errno.
long ask(const ControlMessage& message, ControlType expected, ControlMessage& reply) {
    if (process.control < 0) return -sys::e_badf;
    Holding held(process.control_lock);
    const RoomForDescriptors room;
    int descriptor = -1;
    long error = send_control(process.control, message);
    if (error == 0) error = receive_control(process.control, reply, descriptor);
    if (error == 0 && reply.type != expected) {
        if ((process.flags & Parameters::trace) != 0 && reply.type == ControlType::refused)
            trace(reply.text);
        error = -sys::e_perm;
    }
    if (error != 0) {
        if (descriptor >= 0) sys::call(__NR_close, descriptor);
        return error;
    }
    return descriptor;
}

}  // namespace

long send_control(int socket, const ControlMessage& message) {
    for (;;) {
        const long n =
            sys::call_with(__NR_sendto, socket, &message, sizeof message, msg_nosignal, 0, 0);
        if (n != -sys::e_intr) return n < 0 ? n : 0;
    }
}

long receive_control(int socket, ControlMessage& message, int& descriptor) {
    for (;;) {
        Rights rights{};
        IoVec vector{&message, sizeof message};
        MsgHeader header{nullptr, 0, &vector, 1, &rights, sizeof rights, 0};
        descriptor = -1;
        const long n = sys::call_with(__NR_recvmsg, socket, &header, msg_cmsg_cloexec);
        if (n == -sys::e_intr) continue;
        if (n < 0) return n;
        if (header.control_length >= 20 && rights.level == sol_socket && rights.type == scm_rights)
            descriptor = rights.descriptor;
        if (n == 0) return -sys::e_badf;
        if (n != sizeof message) return -sys::e_inval;
        message.text[sizeof message.text - 1] = '\0';
        return 0;
    }
}

long connect_daemon() {
    const auto* parameters = reinterpret_cast<const Parameters*>(layout::parameters);
    const long socket = sys::call(__NR_socket, af_unix, sock_seqpacket | sock_cloexec, 0);
    if (sys::failed(socket)) return socket;
    UnixAddress address{};
    address.family = af_unix;
    const std::size_t length = strlen(parameters->control);
    memcpy(address.path + 1, parameters->control, length);
    long error = sys::call_with(__NR_connect, socket, &address, 2 + 1 + length);
    Credentials peer{};
    std::uint32_t size = sizeof peer;
    if (error == 0)
        error = sys::call_with(__NR_getsockopt, socket, sol_socket, so_peercred, &peer, &size);
    if (error == 0 && peer.uid != parameters->daemon_uid)
        error = -sys::e_perm;  // somebody else has taken the daemon's name
    if (error != 0) {
        sys::call(__NR_close, socket);
        return error;
    }
    process.control = hide_descriptor(static_cast<int>(socket));
    ControlMessage hello{}, welcome{};
    hello.type = ControlType::hello;
    hello.value = static_cast<std::uint64_t>(sys::call(__NR_getpid));
    hello.node = (process.flags & Parameters::spread) != 0 ? 1 : 0;
    const long descriptor = ask(hello, ControlType::welcome, welcome);
    if (sys::failed(descriptor)) return descriptor;
    if (welcome.value < 1 || welcome.value > max_nodes) return -sys::e_inval;
    process.nodes = static_cast<std::uint32_t>(welcome.value);
    process.nodes_up = welcome.node;
    Link::give_up_after = welcome.timeout * 1'000'000'000;
    for (std::uint32_t i = 0; i < process.nodes; ++i) process.node_cpus[i] = welcome.node_cpus[i];
    if (welcome.text[0] != '\0') {
        process.pinned = true;
        report_pinned(welcome.text);
    }
    return descriptor;
}

long request_body(unsigned node) {
    ControlMessage message{}, reply{};
    message.type = ControlType::start_body;
    message.node = node;
    return ask(message, ControlType::body_started, reply);
}

long open_channel(unsigned node, unsigned number) {
    ControlMessage message{}, reply{};
    message.type = ControlType::open_channel;
    message.node = node;
    message.value = number;
    return ask(message, ControlType::channel_opened, reply);
}

long attend_daemon() {
    ControlMessage message{}, reply{};
    message.type = ControlType::attend;
    return ask(message, ControlType::attending, reply);
}

long open_own_memory(unsigned which) {
    auto* parameters = reinterpret_cast<Parameters*>(layout::parameters);
    static_assert(sizeof parameters->proof == own_memory_proof);
    ControlMessage message{}, reply{};
    message.type = ControlType::own_memory;
    message.value = which;
    if (sys::call_with(__NR_getrandom, parameters->proof, sizeof parameters->proof, 0) !=
        sizeof parameters->proof)
        return -sys::e_perm;
    memcpy(message.text, parameters->proof, sizeof parameters->proof);
    const long descriptor = ask(message, ControlType::own_memory_opened, reply);
    memset(parameters->proof, 0, sizeof parameters->proof);
    return descriptor;
}

void report_away() {
    if (process.control < 0) return;
    ControlMessage message{};
    message.type = ControlType::counters;
    Holding held(process.control_lock);
    {
        Holding counting(process.thread_lock);
        for (std::uint32_t node = 1; node < process.nodes; ++node)
            message.value += process.threads_on[node];
    }
    send_control(process.control, message);
}

void report_used(std::uint64_t user, std::uint64_t system) {
    if (process.control < 0 || !process.control_lock.acquire_soon()) return;
    ControlMessage message{}, reply;
    message.type = ControlType::used;
    message.value = user;
    message.timeout = system;
    // Its parent may ask as soon as it has ended: the daemon has to know by then.
    struct {
        std::int32_t descriptor;
        std::int16_t events, returned;
    } entry{process.control, 1, 0};
    constexpr int patience_ms = 1000;
    int descriptor = -1;
    if (send_control(process.control, message) == 0 &&
        sys::call_with(__NR_poll, &entry, 1, patience_ms) == 1)
        receive_control(process.control, reply, descriptor);
    process.control_lock.release();
}

void report_agent(long tid) {
    ControlMessage message{};
    message.type = ControlType::agent;
    message.value = static_cast<std::uint64_t>(tid);
    Holding held(process.control_lock);
    send_control(process.control, message);
}

void report_pinned(const char* reason) {
    if (process.control < 0) return;
    ControlMessage message{};
    message.type = ControlType::pinned;
    memcpy(message.text, reason,
           strlen(reason) < sizeof message.text ? strlen(reason) : sizeof message.text - 1);
    Holding held(process.control_lock);
    send_control(process.control, message);
}

}  // namespace holon::ssi

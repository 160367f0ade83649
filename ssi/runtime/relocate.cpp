// SPDX-License-Identifier: GPL-2.0-or-later
#include "ssi/runtime/relocate.h"

#include "ssi/runtime/affinity.h"
#include "ssi/runtime/control.h"
#include "ssi/runtime/departure.h"
#include "ssi/runtime/observe.h"
#include "ssi/runtime/policy.h"
#include "ssi/runtime/process.h"
#include "ssi/runtime/recall.h"
#include "ssi/runtime/space.h"

namespace holon::ssi::relocate {
namespace {

int socket_ = -1;

constexpr char unreachable[] = "its node cannot be reached, or the process stays at home";

/// Never waits: who asked may have given up.
void send(const ControlMessage& message) {
    constexpr int msg_dontwait = 0x40, msg_nosignal = 0x4000;
    if (socket_ < 0) return;
    while (sys::call_with(__NR_sendto, socket_, &message, sizeof message,
                          msg_dontwait | msg_nosignal, 0, 0) == -sys::e_intr) {
    }
}

void answer(Thread* thread, const char* why_not) {
    thread->destination = 0;
    ControlMessage message{};
    message.type = ControlType::moved;
    message.value = static_cast<std::uint64_t>(thread->tid);
    message.node = thread->node;
    memcpy(message.text, why_not, strlen(why_not));
    send(message);
}

/// The order that is being carried out; for_each_thread() takes no context.
struct {
    std::int32_t tid;
    std::uint32_t node, asked;
} order;

bool is_meant(const Thread* thread) {
    return thread->number != ~0U && thread->tid != 0 &&
           (order.tid == 0 || thread->tid == order.tid);
}

void move(Thread* thread) {
    if (!is_meant(thread)) return;
    if (thread->node == order.node) return answer(thread, "");
    if (process.pinned) return answer(thread, "the process stays at home (see ssi ps)");
    if (affinity::cpus_on(thread, order.node) == 0)
        return answer(thread, "it is bound to CPUs of other nodes");
    __atomic_store_n(&thread->destination, order.node + 1, __ATOMIC_RELEASE);
    if (thread->node != 0) return recall_one(thread);
    departure::ask(thread);
}

void move_threads(const ControlMessage& message) {
    order = {static_cast<std::int32_t>(message.value), message.node, 0};
    for_each_thread([](Thread* thread) {
        if (is_meant(thread)) ++order.asked;
    });
    ControlMessage reply{};
    reply.type = ControlType::moving;
    reply.value = order.asked;
    if (order.node >= process.nodes) reply.value = 0;
    send(reply);
    if (reply.value != 0) for_each_thread(move);
}

}  // namespace

int orders() { return socket_; }

void attend() {
    if (socket_ >= 0) return;
    const long socket = attend_daemon();
    if (!sys::failed(socket)) socket_ = hide_descriptor(static_cast<int>(socket));
}

void take_order() {
    ControlMessage message{};
    int descriptor = -1;
    long error;
    {
        const RoomForDescriptors room;
        error = receive_control(socket_, message, descriptor);
    }
    if (error != 0) {
        sys::call(__NR_close, socket_);
        socket_ = -1;
        return;
    }
    if (message.type == ControlType::observe && descriptor >= 0)
        observe::begin(descriptor);
    else if (message.type == ControlType::move)
        move_threads(message);
    else if (message.type == ControlType::home)
        policy::take_home("traced", true);
}

void at_home() {
    ControlMessage message{};
    message.type = ControlType::at_home;
    send(message);
}

void forget() {
    if (socket_ >= 0) sys::call(__NR_close, socket_);
    socket_ = -1;
}

void leave_if_asked(Thread* thread, const sys::UContext& context) {
    const std::uint32_t destination = __atomic_load_n(&thread->destination, __ATOMIC_ACQUIRE);
    if (destination == 0) return;
    affinity::go_to(thread, destination - 1, &context);
    answer(thread, destination == 1 ? "" : unreachable);
}

void arrived(Thread* thread) {
    if (thread->destination == thread->node + 1) answer(thread, "");
}

void arrived_home(Thread* thread, bool was_away) {
    const std::uint32_t destination = __atomic_load_n(&thread->destination, __ATOMIC_ACQUIRE);
    if (destination == 0) return;
    if (was_away) affinity::go_to(thread, destination - 1, nullptr);
    answer(thread, destination == 1 ? "" : unreachable);
}

}  // namespace holon::ssi::relocate

// SPDX-License-Identifier: GPL-2.0-or-later
#include "ssi/daemon/orders.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <optional>

#include "plugins/os/error.h"
#include "ssi/control/control.h"
#include "ssi/control/recording.h"
#include "ssi/daemon/messages.h"
#include "ssi/daemon/socket.h"

namespace holon::ssi::daemon {
namespace {

bool send(int socket, const ControlMessage& message, int descriptor = -1) {
    return send_packet(socket, {reinterpret_cast<const char*>(&message), sizeof message},
                       descriptor);
}

// The program's next word before DEADLINE; nullopt: none came. Throws Error at its end.
std::optional<ControlMessage> hear(int socket, Deadline deadline) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now());
    pollfd entry{socket, POLLIN, 0};
    if (::poll(&entry, 1, std::max(0, static_cast<int>(left.count()))) < 1) return std::nullopt;
    const auto packet = receive_packet(socket, sizeof(ControlMessage));
    if (!packet || packet->bytes.size() != sizeof(ControlMessage))
        throw Error("the process has ended, or stays at home");
    ControlMessage message;
    std::memcpy(&message, packet->bytes.data(), sizeof message);
    return message;
}

}  // namespace

Orders::Outcome Orders::move(pid_t tid, std::uint32_t node, std::chrono::seconds limit) {
    const std::lock_guard one(asking_);
    // What answered an earlier request too late.
    while (hear(socket_.get(), Clock::now())) {
    }
    ControlMessage message{};
    message.type = ControlType::move;
    message.value = static_cast<std::uint64_t>(tid);
    message.node = node;
    if (!send(socket_.get(), message)) throw Error("the process has ended");
    Outcome outcome;
    std::optional<std::uint64_t> expected;
    const Deadline deadline = Clock::now() + limit;
    while (!expected || outcome.threads.size() < *expected) {
        const auto answer = hear(socket_.get(), deadline);
        if (!answer) {
            outcome.complete = false;
            return outcome;
        }
        if (answer->type == ControlType::moving) expected = answer->value;
        if (answer->type == ControlType::moved)
            outcome.threads.push_back(
                {answer->value, answer->node,
                 printable({answer->text, ::strnlen(answer->text, sizeof answer->text)})});
    }
    if (expected == 0)
        throw Error("it has no such thread, or has not known that node at its start");
    return outcome;
}

bool Orders::bring_home(std::chrono::seconds limit) {
    const std::lock_guard one(asking_);
    if (home_) return true;
    while (hear(socket_.get(), Clock::now())) {
    }
    ControlMessage message{};
    message.type = ControlType::home;
    if (!send(socket_.get(), message)) throw Error("the process has ended");
    const Deadline deadline = Clock::now() + limit;
    while (!home_) {
        const auto answer = hear(socket_.get(), deadline);
        if (!answer) break;
        home_ = answer->type == ControlType::at_home;
    }
    return home_;
}

os::Fd Orders::record(std::chrono::nanoseconds time) {
    const std::lock_guard lock(recording_);
    if (!memory_.valid()) {
        os::Fd memory(::memfd_create("ssi-recording", MFD_CLOEXEC | MFD_ALLOW_SEALING));
        if (!memory.valid() || ::ftruncate(memory.get(), sizeof(recording::Recording)) != 0)
            throw Error("no memory to record into: {}", errno_text());
        // Nobody who reads it is killed by its end.
        ::fcntl(memory.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
        memory_ = std::move(memory);
        ControlMessage message{};
        message.type = ControlType::observe;
        if (!send(socket_.get(), message, memory_.get())) throw Error("the process has ended");
    }
    const auto now =
        std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now().time_since_epoch());
    const auto wanted = static_cast<std::uint64_t>((now + time).count());
    std::uint64_t present = 0;
    constexpr off_t place = offsetof(recording::Recording, until);
    if (::pread(memory_.get(), &present, sizeof present, place) != sizeof present ||
        present < wanted) {
        if (::pwrite(memory_.get(), &wanted, sizeof wanted, place) != sizeof wanted)
            throw Error("no memory to record into: {}", errno_text());
    }
    os::Fd copy(::fcntl(memory_.get(), F_DUPFD_CLOEXEC, 0));
    if (!copy.valid()) throw Error("too many open descriptors: {}", errno_text());
    return copy;
}

}  // namespace holon::ssi::daemon

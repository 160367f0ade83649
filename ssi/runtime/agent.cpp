// SPDX-License-Identifier: GPL-2.0-or-later
#include "ssi/runtime/agent.h"

#include <linux/prctl.h>
#include <linux/userfaultfd.h>

#include "ssi/runtime/affinity.h"
#include "ssi/runtime/body_calls.h"
#include "ssi/runtime/body_space.h"
#include "ssi/runtime/clock.h"
#include "ssi/runtime/control.h"
#include "ssi/runtime/cpu_time.h"
#include "ssi/runtime/departure.h"
#include "ssi/runtime/memory.h"
#include "ssi/runtime/observe.h"
#include "ssi/runtime/policy.h"
#include "ssi/runtime/relocate.h"
#include "ssi/runtime/space.h"

namespace holon::ssi::agent {
namespace {

struct PollFd {
    std::int32_t fd;
    std::int16_t events, revents;
};
constexpr std::int16_t poll_in = 1, poll_out = 4;

struct Timespec {
    std::int64_t seconds, nanoseconds;
};

Sequence applied_frames;
int wake_event = -1;

/// Body process: the home is stopped (^Z, SIGSTOP, a debugger), and bodies wait.
std::uint32_t stopped;
Sequence resumptions;

void take_faults() {
    uffd_msg messages[16];
    const long n = sys::call_with(__NR_read, process.userfault, messages, sizeof messages);
    if (n <= 0) {
        if (n == -sys::e_again || n == -sys::e_intr) return;
        die("the userfaultfd is gone", n);
    }
    const std::uint64_t now = agent_clock();
    for (std::size_t i = 0; i < static_cast<std::size_t>(n) / sizeof *messages; ++i) {
        if (messages[i].event != UFFD_EVENT_PAGEFAULT) continue;
        const auto flags = messages[i].arg.pagefault.flags;
        const dsm::Page page = dsm::page_of(messages[i].arg.pagefault.address);
        const auto mode = flags & (UFFD_PAGEFAULT_FLAG_WRITE | UFFD_PAGEFAULT_FLAG_WP)
                              ? dsm::Mode::write
                              : dsm::Mode::read;
        if (observe::on())
            observe::faulted(static_cast<std::int32_t>(messages[i].arg.pagefault.feat.ptid),
                             messages[i].arg.pagefault.address, mode == dsm::Mode::write);
        memory::check(process.home ? memory::home().fault(page, mode, now)
                                   : memory::remote().fault(page, mode));
    }
}

const std::byte* payload_of(const wire::Frame* frame) {
    return frame->length ? reinterpret_cast<const std::byte*>(frame + 1) : nullptr;
}

bool answered_ping(Link& link, const wire::Frame& frame) {
    if (frame.type == wire::Type::pong) return true;
    if (frame.type != wire::Type::ping) return false;
    link.send({0, wire::Type::pong, 0, 0, 0, 0}, nullptr);
    return true;
}

void take_page_frame(unsigned node, const wire::Frame& frame, std::uint64_t now) {
    const dsm::Status status = memory::home().receive(node, frame, payload_of(&frame), now);
    if (status == dsm::Status::ok) return;
    trace("what came: type, a, b", static_cast<unsigned long>(frame.type), frame.a, frame.b);
    memory::check(status);
}

void take_frames_at_home(unsigned node) {
    Link& link = memory::link(node);
    if (const long error = link.fill(); error != 0)
        die("lost the connection to another node", error);
    long error = 0;
    const std::uint64_t now = agent_clock();
    while (const wire::Frame* frame = link.next(error)) {
        if (answered_ping(link, *frame)) continue;
        if (answer_time(link, *frame)) {
            link.flush();  // the time in it must not grow old
            continue;
        }
        if (frame->type == wire::Type::done)
            space::done(node, *frame);
        else if (frame->type == wire::Type::seen)
            observe::heard(node, *frame, payload_of(frame));
        else if (!cpu_time::heard(node, *frame, payload_of(frame)))
            take_page_frame(node, *frame, now);
        else if (observe::on())
            observe::used(node);
    }
    if (error != 0) die("what came from another node is no frame");
}

/// How often the home has answered what time it is.
unsigned told_time;

void take_frames_in_body() {
    Link& link = memory::link(0);
    if (const long error = link.fill(); error != 0) {
        // The program has ended, or its home has: nothing here is of use any more.
        for (;;) sys::call(__NR_exit_group, 0);
    }
    long error = 0;
    std::uint32_t taken = 0;
    const std::uint64_t now = agent_clock();
    while (const wire::Frame* frame = link.next(error)) {
        ++taken;
        if (answered_ping(link, *frame)) continue;
        if (take_time(*frame, payload_of(frame))) {
            ++told_time;
            continue;
        }
        if (static_cast<std::uint16_t>(frame->type) < 32)
            memory::check(memory::remote().receive(*frame, payload_of(frame), now));
        else
            body_space::apply(*frame, payload_of(frame));
    }
    if (error != 0) die("what came from the home is no frame");
    if (taken != 0) applied_frames.advance(taken);
}

/// How long to sleep at most: to the protocol's next deadline, or the next look whether the other
/// side is there. `watching`: there is another side. `sooner`: not longer than that, if not 0.
const Timespec* until(std::uint64_t deadline, bool watching, Timespec& storage,
                      std::uint64_t sooner = 0) {
    const std::uint64_t look = sooner != 0 ? sooner : process.home ? 1'000'000'000 : 300'000'000;
    watching = watching || sooner != 0;
    if (deadline == dsm::never && !watching) return nullptr;
    const std::uint64_t now = agent_clock();
    std::uint64_t left = deadline == dsm::never ? look : deadline > now ? deadline - now : 0;
    if (watching && left > look) left = look;
    storage = {static_cast<std::int64_t>(left / 1'000'000'000),
               static_cast<std::int64_t>(left % 1'000'000'000)};
    return &storage;
}

/// The minimum hold is as long as the slack that the kernel allows itself when it ends a sleep.
void be_punctual() { sys::call(__NR_prctl, PR_SET_TIMERSLACK, 1); }

std::int16_t interest(const Link& link) {
    return static_cast<std::int16_t>((link.congested() && !process.home ? 0 : poll_in) |
                                     (link.wants_to_send() ? poll_out : 0));
}

/// A stopped home stops its agent, too, so its silence tells. A home that is gone, or whose kernel
/// is, ends the connection (TCP_USER_TIMEOUT).
void stop_with_home(bool silent) {
    if (silent == (stopped != 0)) return;
    __atomic_store_n(&stopped, silent ? 1U : 0U, __ATOMIC_RELEASE);
    if (!silent) return resumptions.advance();
    for_each_thread([](Thread* thread) {
        if (thread->number != ~0U && thread->local_tid != 0)
            sys::call_with(__NR_tgkill, sys::call(__NR_getpid), thread->local_tid, sys::sig_sys);
    });
}

[[noreturn]] void run_home(void* argument) {
    adopt(static_cast<Thread*>(argument));
    affinity::unbind_agent();
    be_punctual();
    std::uint64_t look = 0;
    for (;;) {
        constexpr std::size_t others = 3;
        PollFd polled[max_nodes + others] = {{process.userfault, poll_in, 0},
                                             {wake_event, poll_in, 0},
                                             {relocate::orders(), poll_in, 0}};
        unsigned node_of[max_nodes + others];
        std::size_t count = others;
        Timespec storage;
        const Timespec* timeout;
        {
            Holding held(memory::lock());
            for (unsigned node = 1; node < process.nodes; ++node)
                if (process.body_on[node]) {
                    node_of[count] = node;
                    polled[count++] = {memory::link(node).descriptor(),
                                       interest(memory::link(node)), 0};
                }
            timeout = until(memory::home().next_deadline(), count > others, storage, look);
        }
        sys::call_with(__NR_ppoll, polled, count, timeout, 0, 0);
        if (polled[2].revents != 0) relocate::take_order();
        const std::uint64_t sleepers = departure::look_again();
        Holding held(memory::lock());
        memory::Batch batch;
        if (polled[1].revents != 0) {
            std::uint64_t value;
            sys::call_with(__NR_read, wake_event, &value, sizeof value);
        }
        for (std::size_t i = others; i < count; ++i) {
            if (!process.body_on[node_of[i]]) continue;  // let go of meanwhile (space::disarm)
            if ((polled[i].revents & poll_out) != 0) memory::link(node_of[i]).flush();
            if ((polled[i].revents & ~poll_out) != 0) take_frames_at_home(node_of[i]);
        }
        if (polled[0].revents != 0) take_faults();
        const std::uint64_t now = agent_clock();
        memory::check(memory::home().tick(now));
        batch.end();
        look = observe::tick(now, memory::home().counters());
        if (sleepers != 0 && (look == 0 || sleepers < look)) look = sleepers;
        for (std::size_t i = others; i < count; ++i)
            if (process.body_on[node_of[i]] && !memory::link(node_of[i]).alive(now))
                die("a node does not answer", node_of[i]);
        if (policy::judge(now, memory::home().counters())) policy::take_home(better_at_home);
    }
}

}  // namespace

Sequence& applied() { return applied_frames; }

void wait_while_stopped() {
    for (;;) {
        const std::uint32_t seen = resumptions.now();
        if (__atomic_load_n(&stopped, __ATOMIC_ACQUIRE) == 0) return;
        resumptions.wait_for(seen + 1);
    }
}

bool start() {
    const long event = sys::call(__NR_eventfd2, 0, sys::o_cloexec | sys::o_nonblock);
    Thread* thread = new_thread();
    if (sys::failed(event) || !thread) return false;
    wake_event = hide_descriptor(static_cast<int>(event));
    thread->number = ~0U;
    relocate::attend();
    const std::uint64_t all = ~0UL;
    std::uint64_t before;
    sys::call_with(__NR_rt_sigprocmask, 2, &all, &before, 8);
    const long tid =
        ssi_clone_thread(sys::clone_vm | sys::clone_fs | sys::clone_files | sys::clone_sighand |
                             sys::clone_thread | sys::clone_sysvsem,
                         reinterpret_cast<void*>(thread->stack_top), 0, 0, 0, run_home, thread);
    sys::call_with(__NR_rt_sigprocmask, 2, &before, 0, 8);
    if (sys::failed(tid)) return false;
    report_agent(tid);
    return true;
}

void forget() {
    if (wake_event >= 0) sys::call(__NR_close, wake_event);
    wake_event = -1;
}

void wake() {
    const std::uint64_t one = 1;
    sys::call_with(__NR_write, wake_event, &one, sizeof one);
}

void run_body() {
    constexpr unsigned first_questions = 4;
    unsigned questions = 0;
    std::uint64_t asked = 0;
    be_punctual();
    for (;;) {
        Link& link = memory::link(0);
        PollFd polled[3] = {{process.userfault, poll_in, 0}, {process.control, poll_in, 0}, {}};
        Timespec storage;
        const Timespec* timeout;
        {
            Holding held(memory::lock());
            const std::uint64_t now = agent_clock();
            if (told_time == questions &&
                (questions < first_questions || now - asked >= time_period)) {
                ++questions;
                asked = now;
                ask_time(link);
            }
            polled[2] = {link.descriptor(), interest(link), 0};
            timeout = until(memory::remote().next_deadline(), true, storage);
        }
        sys::call_with(__NR_ppoll, polled, 3, timeout, 0, 0);
        if (polled[1].revents != 0) body_space::take_channel();
        Holding held(memory::lock());
        memory::Batch batch;
        if ((polled[2].revents & poll_out) != 0) link.flush();
        if ((polled[2].revents & ~poll_out) != 0) take_frames_in_body();
        if (polled[0].revents != 0) take_faults();
        const std::uint64_t now = agent_clock();
        memory::check(memory::remote().tick(now));
        stop_with_home(link.silent(now));
    }
}

}  // namespace holon::ssi::agent

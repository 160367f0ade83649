// SPDX-License-Identifier: GPL-2.0-or-later
//
// One thread of the program as the runtime knows it, on either side, and what of it travels.
#pragma once

#include "ssi/control/cpu_mask.h"
#include "ssi/runtime/sys.h"
#include "ssi/wire/frame.h"

namespace holon::ssi {

/// Everything a thread is: what a body is made from, and what it becomes when it comes home. Sent
/// as the payload of start_thread, clone calls and move_home, without the unused tail of fp.
struct ThreadState {
    sys::UContext context;  ///< context.sigmask is the program's signal mask; context.stack its
                            ///< alternate stack
    std::uint64_t fs_base;
    std::uint64_t clear_tid;    ///< where CLONE_CHILD_CLEARTID wants a zero, or 0
    std::uint64_t robust_list;  ///< head given to set_robust_list, or 0
    std::int32_t pid;
    std::int32_t tid;  ///< its number at home: the only one the program ever sees
    std::uint32_t cpu;
    std::uint32_t fp_size;  ///< bytes used of fp, 0: initial floating-point state
    std::uint64_t used;     ///< ns of CPU time so far, on all nodes
    KernelCpus cpus;        ///< CPUs of the node it is going to that it may use, by their place
    alignas(64) std::uint8_t fp[16384 - 512];
};

constexpr std::size_t travelling_size(const ThreadState& state) {
    return offsetof(ThreadState, fp) + state.fp_size;
}

/// A signal on its way to the handler that the program has for it.
struct PendingSignal {
    sys::SigInfo info;
    sys::SigAction action;
    std::uint64_t
        forced;  ///< delivered whatever the body's mask: the kernel chose by the mask of a wait
};

/// A thread's block: this structure at the low end, its runtime stack above it. GS points to it on
/// every thread of a prepared process (programs that set GS themselves are pinned before they are
/// prepared). Blocks are never unmapped: a freed one is reused when `occupied` has been cleared by
/// the kernel at the exit of its last thread.
struct Thread {
    Thread* self;
    std::uint64_t stack_top;
    std::uint32_t
        pending_signals;  ///< taken by a deputy for its body and not yet passed on; read by entry.S
    std::int32_t
        occupied;  ///< the kernel clears and wakes it when the thread has gone (set_tid_address)
    std::int32_t tid;         ///< at home
    std::int32_t local_tid;   ///< on this node
    std::uint32_t node;       ///< where the body is
    std::int32_t channel;     ///< descriptor to deputy or body, -1
    std::int32_t conduit[2];  ///< deputy: ends of a pipe for bytes on their way (conduit.h), -1
    std::uint32_t number;     ///< of the channel; unique in the process, 0 is the main thread
    std::uint32_t cpu;        ///< virtual CPU
    std::uint64_t robust_list, clear_tid;
    std::uint64_t calls;  ///< forwarded
    std::uint64_t mask;   ///< deputy: the signal mask that the kernel has for it
    bool temporary_mask;  ///< deputy: in a call that waits with a mask of its own
    bool full;            ///< deputy: the ring was; the kernel keeps all signals meanwhile
    static constexpr std::uint32_t signal_slots = 64;
    /// A ring: put at `signals_put`, free again when `signals_taken` has gone by. A deputy and its
    /// body number signals alike, from 0 on: what the body has taken is free in the deputy's ring
    /// too, and what it has not seen when it ends is still there.
    PendingSignal signals[signal_slots];
    std::uint32_t signals_put, signals_taken;
    std::uint32_t signals_seen;  ///< body: looked at, delivered or kept; deputy: passed on
    std::uint32_t recalled;      ///< to come home (deputy), to go home (body)
    CpuMask allowed;             ///< at home: the virtual CPUs it may use; under thread_lock
    std::uint32_t bound;         ///< at home: its kernel does not let it use all of the home's CPUs
    std::uint32_t leaving;       ///< at home: must be on another node
    /// At home: what it did when it was last looked at, as one that must leave (departure.cpp).
    struct {
        std::int64_t number;  ///< the call it was in, if `pc` is not 0
        std::uint64_t sp, pc;
        std::uint64_t waits;  ///< how often it had begun to wait, 0: not known
        std::uint64_t used;   ///< ns of CPU time that it had used then, if it slept
        bool later;           ///< it slept, and is looked at again
    } asked;
    std::uint32_t destination;  ///< at home: a user wants it there (relocate.cpp): node + 1; 0: no
    std::int32_t later_timer;   ///< of kick_later(), if `later` is set
    std::uint32_t later;
    KernelCpus binding;  ///< body: what came for it since it started, if `rebound`
    std::uint32_t rebound;
    /// Deputy: the call in which it waits for some time (waits.h).
    struct {
        std::uint64_t began;     ///< agent_clock()
        std::int64_t left;       ///< ns, of one that was given up; 0: none
        std::int64_t number;     ///< which call
        std::uint64_t argument;  ///< that says how long
        std::int64_t rest[2];    ///< timespec that the call is made with again
    } wait;
    std::uint64_t hidden_mask;     ///< body: what the program blocks and its kernel must not
    std::uint64_t used_elsewhere;  ///< ns of CPU time on other nodes than where it is
    ThreadState state;
    std::uint8_t* buffer;        ///< for payloads, in the arena
    std::size_t room;            ///< its bytes
    std::uint8_t* usual_buffer;  ///< while that is a larger one (make_room)

    static constexpr std::size_t size = 128 * 1024;
    static constexpr std::size_t usual_room = 128 * 1024;  ///< of a buffer at first
    static constexpr std::size_t largest_room = wire::max_payload;
};
static_assert(offsetof(Thread, stack_top) == 8 && offsetof(Thread, pending_signals) == 16,
              "entry.S knows them");

inline Thread* self() {
    Thread* thread;
    __asm__("mov %%gs:0, %0" : "=r"(thread));
    return thread;
}

/// A block with a stack, from the free ones or new; nullptr where memory is out. Any thread.
Thread* new_thread();
/// Its buffer has `size` bytes, and other contents if it had to grow. False: it cannot have them.
/// The thread itself.
bool make_room(Thread* thread, std::size_t size);
/// Its buffer is the usual one again. The thread itself; when it leaves, and when it is at home.
void give_back_room(Thread* thread);
/// Calls visit(Thread*) for every block in use. Under no lock: some may come or go meanwhile.
void for_each_thread(void (*visit)(Thread*));
/// The thread with that channel number, or nullptr.
Thread* find_thread(std::uint32_t number);
/// The thread of the program's with that number at home, or nullptr.
Thread* find_thread_by_tid(std::int32_t tid);
/// The thread with that number on this kernel, or nullptr.
Thread* find_thread_by_local_tid(std::int32_t tid);
/// Makes `thread` the calling thread's: GS, set_tid_address(&occupied), alternate stack (bodies).
void adopt(Thread* thread);
/// Ends the calling thread, whose block becomes free when the kernel has let go of it.
[[noreturn]] void leave_thread();

/// Puts the state into a signal frame on the calling thread's runtime stack and goes on there. FS
/// is set.
[[noreturn]] void resume(Thread* thread, const ThreadState& state,
                         const sys::StackT& alternate_stack);
/// The reverse: from a signal frame.
void capture(ThreadState& state, const sys::UContext& context);

}  // namespace holon::ssi

// In this file, not behind a table of addresses: the code is position-independent.
#pragma GCC visibility push(hidden)
extern "C" {
[[noreturn]] void ssi_leave(holon::ssi::sys::UContext* context);
long ssi_clone_thread(unsigned long flags, void* stack_top, std::uint64_t parent_tid,
                      std::uint64_t child_tid, std::uint64_t tls, void (*function)(void*),
                      void* argument);
long ssi_interruptible(holon::ssi::Thread* thread, long number, const long* args);
long ssi_notified(long number, const long* args);
void ssi_home_trap();
void ssi_body_trap();
void ssi_restorer();
void ssi_home_signal();
long ssi_copy(void* to, const void* from, std::size_t size);
extern const char ssi_child_wait[], ssi_child_wait_done[];
extern const char ssi_copy_instruction[], ssi_copy_failed[];
extern const char ssi_interruptible_begin[], ssi_interruptible_syscall[], ssi_interruptible_abort[];
}
#pragma GCC visibility pop

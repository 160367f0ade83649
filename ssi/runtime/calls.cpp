// SPDX-License-Identifier: GPL-2.0-or-later
#include "ssi/runtime/calls.h"

#include <initializer_list>

#include "ssi/runtime/affinity.h"
#include "ssi/runtime/cpu_time.h"
#include "ssi/runtime/placement.h"
#include "ssi/runtime/process.h"
#include "ssi/runtime/space.h"

namespace holon::ssi {
namespace {

constexpr std::uint64_t sigsys_bit = 1UL << (sys::sig_sys - 1);
constexpr long arch_set_fs = 0x1002;
constexpr std::uint64_t robust_limit = 2048;  // ROBUST_LIST_LIMIT of the kernel

Lock copy_lock;
int copy_file = -1;

struct Vector {
    std::uint64_t base, length;
};

/// First function of every new thread of a prepared process.
void begin_thread(void* argument) {
    auto* thread = static_cast<Thread*>(argument);
    adopt(thread);
    thread->tid = thread->local_tid;
    affinity::bind_at_home(thread);
    if (thread->node != 0) deputy_main(thread);
    sys::call_with(__NR_arch_prctl, arch_set_fs, thread->state.fs_base);
    resume(thread, thread->state, thread->state.context.stack);
}

/// First function of a child that shares memory with its parent until it executes or exits.
void begin_sharing_child(void* argument) {
    NoRoomForDescriptors::release();
    auto* thread = static_cast<Thread*>(argument);
    adopt(thread);
    thread->tid = thread->local_tid;
    resume(thread, thread->state, thread->state.context.stack);
}

void unlock_dead(std::uint64_t address, std::int32_t tid) {
    constexpr std::uint32_t waiters = 0x80000000, owner_died = 0x40000000, tid_mask = 0x3fffffff;
    auto* word = reinterpret_cast<std::uint32_t*>(address);
    std::uint32_t value = __atomic_load_n(word, __ATOMIC_SEQ_CST);
    while ((value & tid_mask) == static_cast<std::uint32_t>(tid)) {
        if (!__atomic_compare_exchange_n(word, &value, (value & waiters) | owner_died, false,
                                         __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
            continue;
        if ((value & waiters) != 0) sys::call_with(__NR_futex, word, 1, 1, 0, 0, 0);
        return;
    }
}

}  // namespace

long copy_in(void* to, std::uint64_t from, std::size_t size) {
    // Without a signal here where there is nothing to read. A page that is taken away meanwhile is
    // read as it was, as if the read had been a little earlier.
    const Vector here{reinterpret_cast<std::uint64_t>(to), size}, there{from, size};
    const long n =
        sys::call_with(__NR_process_vm_readv, sys::call(__NR_getpid), &here, 1, &there, 1, 0);
    return n == static_cast<long>(size) ? 0 : -sys::e_fault;
}

long copy_out(std::uint64_t to, const void* from, std::size_t size) {
    // Not process_vm_writev: it holds on to the page and writes to it when the agent may have
    // write-protected it, sent its contents to another node and given it up (GUP does not see
    // uffd).
    if (!process.home) return ssi_copy(reinterpret_cast<void*>(to), from, size);
    // At home SIGSEGV is the program's. A file's read copies as any user of that address would.
    Holding held(copy_lock);
    if (sys::call_with(__NR_pwrite64, copy_file, from, size, 0) != static_cast<long>(size))
        return -sys::e_fault;
    std::size_t done = 0;
    while (done < size) {
        const long n = sys::call_with(__NR_pread64, copy_file, to + done, size - done, done);
        if (n == -sys::e_intr) continue;
        if (n <= 0) return -sys::e_fault;
        done += static_cast<std::size_t>(n);
    }
    return 0;
}

std::uint64_t changed_mask(long how, std::uint64_t present, std::uint64_t set, long& error) {
    error = 0;
    switch (how) {
        case 0:
            return present | set;
        case 1:
            return present & ~set;
        case 2:
            return set;
        default:
            error = -sys::e_inval;
            return present;
    }
}

long create_thread(Thread* parent, ThreadState& state, const CallArgs& call) {
    // glibc's order for clone on x86-64: flags, stack, parent_tid, child_tid, tls
    auto flags = static_cast<unsigned long>(call.a[0]);
    const auto parent_tid = static_cast<std::uint64_t>(call.a[2]),
               child_tid = static_cast<std::uint64_t>(call.a[3]);
    Thread* thread = new_thread();
    if (thread == nullptr) return -sys::e_again;
    memcpy(&thread->state, &state, travelling_size(state));
    ThreadState& child = thread->state;
    child.context.rax = 0;
    if (call.a[1] != 0) child.context.rsp = static_cast<std::uint64_t>(call.a[1]);
    child.context.stack =
        sys::StackT{0, sys::ss_disable, 0, 0};  // sigaltstack(2): not inherited by threads
    if ((flags & sys::clone_settls) != 0) child.fs_base = static_cast<std::uint64_t>(call.a[4]);
    if ((flags & sys::clone_child_cleartid) != 0) thread->clear_tid = child_tid;
    flags &= ~(sys::clone_settls | sys::clone_child_cleartid);
    thread->allowed = parent->allowed;
    thread->bound = parent->bound;
    place_thread(thread);
    thread->occupied = 1;

    const std::uint64_t mask_all = ~0UL;
    std::uint64_t mask_before;
    sys::call_with(__NR_rt_sigprocmask, 2, &mask_all, &mask_before, 8);
    const long tid = ssi_clone_thread(flags, reinterpret_cast<void*>(thread->stack_top), parent_tid,
                                      child_tid, 0, begin_thread, thread);
    sys::call_with(__NR_rt_sigprocmask, 2, &mask_before, 0, 8);
    // The creator may name it before it has begun.
    std::int32_t none = 0;
    if (!sys::failed(tid))
        __atomic_compare_exchange_n(&thread->tid, &none, static_cast<std::int32_t>(tid), false,
                                    __ATOMIC_RELEASE, __ATOMIC_RELAXED);
    if (sys::failed(tid)) {
        unplace_thread(thread);
        __atomic_store_n(&thread->occupied, 0, __ATOMIC_RELEASE);
    }
    return tid;
}

long create_process(Thread* parent, ThreadState& state, const CallArgs& call) {
    auto flags = call.number == __NR_clone ? static_cast<unsigned long>(call.a[0])
                 : call.number == __NR_vfork
                     ? static_cast<unsigned long>(sys::clone_vm | sys::clone_vfork | 17)
                     : 17UL;  // SIGCHLD
    const auto parent_tid = static_cast<std::uint64_t>(call.number == __NR_clone ? call.a[2] : 0);
    const auto child_tid = static_cast<std::uint64_t>(call.number == __NR_clone ? call.a[3] : 0);
    const auto stack = static_cast<std::uint64_t>(call.number == __NR_clone ? call.a[1] : 0);

    if ((flags & sys::clone_vm) != 0) {
        Thread* thread = new_thread();
        if (thread == nullptr) return -sys::e_again;
        memcpy(&thread->state, &state, travelling_size(state));
        thread->state.context.rax = 0;
        if (stack != 0) thread->state.context.rsp = stack;
        thread->number = ~0U;
        flags &= ~(sys::clone_settls | sys::clone_child_cleartid);
        const NoRoomForDescriptors none;  // until the child has its limits
        const long pid = ssi_clone_thread(flags, reinterpret_cast<void*>(thread->stack_top),
                                          parent_tid, child_tid, 0, begin_sharing_child, thread);
        if (sys::failed(pid)) NoRoomForDescriptors::release();
        // The kernel frees the child's block when it executes or ends (adopt). Not this thread,
        // which learns of that later: the block may be another thread's by then.
        if (sys::failed(pid)) __atomic_store_n(&thread->occupied, 0, __ATOMIC_RELEASE);
        return pid;
    }

    space::freeze();
    const NoRoomForDescriptors none;
    const long pid =
        sys::call_with(__NR_clone, flags, 0, parent_tid, child_tid,
                       call.number == __NR_clone ? static_cast<std::uint64_t>(call.a[4]) : 0UL);
    if (pid != 0) {
        NoRoomForDescriptors::release();
        space::thaw();
        return pid;
    }
    const bool first = parent->tid == process.pid;
    space::forget();
    parent->tid = static_cast<std::int32_t>(sys::call(__NR_getpid));
    parent->node = 0;
    parent->clear_tid = (flags & sys::clone_child_cleartid) != 0 ? child_tid : 0;
    parent->robust_list = 0;
    parent->pending_signals = 0;
    parent->signals_taken = parent->signals_seen = parent->signals_put;
    adopt(parent);
    affinity::after_fork(parent, first);
    cpu_time::forget(parent);
    state.context.rax = 0;
    if (stack != 0) state.context.rsp = stack;
    sys::call_with(__NR_arch_prctl, arch_set_fs, state.fs_base);
    resume(parent, state, state.context.stack);
}

void prepare_copies() {
    // A child that shares memory but not descriptors must find it: not when it is first needed.
    copy_lock = Lock{};
    if (copy_file >= 0) sys::call(__NR_close, copy_file);
    const long file = sys::call_with(__NR_memfd_create, "ssi", 1);  // MFD_CLOEXEC
    copy_file = sys::failed(file) ? -1 : hide_descriptor(static_cast<int>(file));
}

long futex_call(Thread* thread, const CallArgs& call) {
    // fault_in_user_writeable (Linux 6.1) faults without FAULT_FLAG_ALLOW_RETRY: userfaultfd
    // answers SIGBUS, and the call EFAULT. The page is fetched by an ordinary write, and the call
    // repeated.
    for (;;) {
        const long result = ssi_interruptible(thread, call.number, call.a);
        if (result != -sys::e_fault) return result;
        for (const long address : {call.a[0], call.a[4]}) {
            std::uint32_t probe;
            if ((address & 3) == 0 &&
                copy_in(&probe, static_cast<std::uint64_t>(address), sizeof probe) == 0 &&
                copy_out(static_cast<std::uint64_t>(address), &probe, 0) == 0)
                __atomic_fetch_or(reinterpret_cast<std::uint32_t*>(address), 0U, __ATOMIC_SEQ_CST);
            else if (address == call.a[0])
                return result;
        }
    }
}

long descriptor_call(Thread* thread, const CallArgs& call) {
    const auto native = [&](long a, long b) {
        const long args[6] = {a, b, call.a[2]};
        return ssi_interruptible(thread, call.number, args);
    };
    const auto first = static_cast<std::uint32_t>(call.a[0]);
    const auto second = static_cast<std::uint32_t>(call.a[1]);
    switch (call.number) {
        case __NR_close:
            return hidden(first) ? -sys::e_badf : native(call.a[0], call.a[1]);
        case __NR_close_range: {
            const HiddenRange mine = hidden_descriptors();
            if (second < mine.begin || first >= mine.end || mine.begin == mine.end)
                return native(call.a[0], call.a[1]);
            long result = 0;
            if (first < mine.begin) result = native(first, mine.begin - 1);
            if (result == 0 && second >= mine.end) result = native(mine.end, second);
            return result;
        }
        default:
            // Beyond what the program may have, as far as it can see.
            return hidden(first) || hidden(second) ? -sys::e_badf : native(call.a[0], call.a[1]);
    }
}

void finish_thread(std::uint64_t robust_list, std::uint64_t clear_tid, std::int32_t tid) {
    // The kernel would do this while the thread dies, when its faults are no longer served by a
    // userfaultfd (handle_userfault refuses PF_EXITING): mm/userfaultfd, Linux 6.1.
    struct Head {
        std::uint64_t next;
        std::int64_t offset;
        std::uint64_t pending;
    } head;
    if (robust_list != 0 && copy_in(&head, robust_list, sizeof head) == 0) {
        std::uint64_t entry = head.next;
        for (std::uint64_t i = 0; (entry & ~1UL) != robust_list && i < robust_limit; ++i) {
            std::uint64_t next;
            if (copy_in(&next, entry & ~1UL, sizeof next) != 0) break;
            if ((entry & ~1UL) != (head.pending & ~1UL))
                unlock_dead((entry & ~1UL) + static_cast<std::uint64_t>(head.offset), tid);
            entry = next;
        }
        if (head.pending != 0)
            unlock_dead((head.pending & ~1UL) + static_cast<std::uint64_t>(head.offset), tid);
    }
    if (clear_tid != 0) {
        const std::int32_t zero = 0;
        if (copy_out(clear_tid, &zero, sizeof zero) == 0)
            sys::call_with(__NR_futex, clear_tid, 1, 1, 0, 0, 0);
    }
}

}  // namespace holon::ssi

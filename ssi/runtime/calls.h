// SPDX-License-Identifier: GPL-2.0-or-later
//
// System calls of a prepared process that are more than themselves: what a home thread traps, and
// what a deputy does for its body. One place decides both, so that a program sees the same kernel
// on every node.
#pragma once

#include "ssi/runtime/thread.h"

namespace holon::ssi {

struct CallArgs {
    long number;
    long a[6];
};

/// Calls about the address space. True: done, `result` is set. Home process only.
bool address_space_call(const CallArgs& call, long& result);

/// The new mask of rt_sigprocmask(how, set), given the present one; -errno in `error`.
std::uint64_t changed_mask(long how, std::uint64_t present, std::uint64_t set, long& error);

/// clone of a thread, by home thread or deputy `parent`. `state`: the parent's, at the instruction
/// after the call. Returns the new thread's number at home, or -errno.
long create_thread(Thread* parent, ThreadState& state, const CallArgs& call);

/// fork, vfork and clone without CLONE_THREAD. `state` as above: where the child goes on (with rax
/// 0).
long create_process(Thread* parent, ThreadState& state, const CallArgs& call);

/// What a thread's end does to the program's memory: robust futexes, the number that joiners wait
/// for.
void finish_thread(std::uint64_t robust_list, std::uint64_t clear_tid, std::int32_t tid);

/// futex, also those in which the kernel writes to a word whose page is elsewhere.
long futex_call(Thread* thread, const CallArgs& call);

/// close, dup2, dup3, close_range: not of the runtime's descriptors.
long descriptor_call(Thread* thread, const CallArgs& call);

/// Copies between the program's memory and the runtime's; 0 or -EFAULT. Missing pages are brought.
long copy_in(void* to, std::uint64_t from, std::size_t size);
long copy_out(std::uint64_t to, const void* from, std::size_t size);

/// Before the first copy; and in a fork child, whose copies do not go through its parent's file.
void prepare_copies();

/// The deputy's life: ships `thread->state` to its node, serves its calls, until the thread ends or
/// comes home.
[[noreturn]] void deputy_main(Thread* thread);

/// Maps the page with `syscall; ret` outside the runtime's range, where calls are the program's own
/// (entry.S, ssi_notified), unless it is there.
void map_notified_page();

/// First second thread of a plain process: prepares it (see process.h). False: it stays plain.
bool prepare_process(sys::UContext* context);

}  // namespace holon::ssi

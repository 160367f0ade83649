// SPDX-License-Identifier: GPL-2.0-or-later
#include "ssi/runtime/thread.h"

#include "ssi/runtime/arena.h"
#include "ssi/runtime/conduit.h"
#include "ssi/runtime/lock.h"
#include "ssi/runtime/process.h"

namespace holon::ssi {
namespace {

constexpr std::uint32_t fp_magic1 = 0x46505853;  // FP_XSTATE_MAGIC1, uapi/asm/sigcontext.h
constexpr std::size_t fp_software = 464;         // struct _fpx_sw_bytes inside the FXSAVE area
constexpr long arch_set_gs = 0x1001;

Lock blocks_lock;
Thread* blocks[4096];
std::size_t block_count;

/// Buffers of Thread::largest_room bytes that no thread has, each beginning with the next one's
/// address; and how many there are in all.
Lock rooms_lock;
std::uint8_t* free_rooms;
std::uint32_t rooms;

}  // namespace

Thread* new_thread() {
    Holding held(blocks_lock);
    for (std::size_t i = 0; i < block_count; ++i) {
        std::int32_t free = 0;
        if (__atomic_compare_exchange_n(&blocks[i]->occupied, &free, 1, false, __ATOMIC_ACQ_REL,
                                        __ATOMIC_RELAXED)) {
            Thread* thread = blocks[i];
            memset(thread, 0, offsetof(Thread, state));  // and its buffers stay
            thread->self = thread;
            thread->stack_top = reinterpret_cast<std::uint64_t>(thread) + Thread::size;
            thread->occupied = 1;
            thread->channel = thread->conduit[0] = thread->conduit[1] = -1;
            return thread;
        }
    }
    if (block_count == sizeof blocks / sizeof *blocks) return nullptr;
    auto* thread = static_cast<Thread*>(arena::allocate(Thread::size, Thread::size));
    auto* buffer = static_cast<std::uint8_t*>(arena::allocate(Thread::usual_room));
    if (thread == nullptr || buffer == nullptr) return nullptr;
    thread->self = thread;
    thread->stack_top = reinterpret_cast<std::uint64_t>(thread) + Thread::size;
    thread->occupied = 1;
    thread->channel = thread->conduit[0] = thread->conduit[1] = -1;
    thread->buffer = buffer;
    thread->room = Thread::usual_room;
    blocks[block_count] = thread;
    __atomic_store_n(&block_count, block_count + 1, __ATOMIC_RELEASE);
    return thread;
}

bool make_room(Thread* thread, std::size_t size) {
    if (size <= thread->room) return true;
    if (size > Thread::largest_room) return false;
    Holding held(rooms_lock);
    std::uint8_t* room = free_rooms;
    if (room != nullptr) {
        memcpy(&free_rooms, room, sizeof free_rooms);
    } else {
        // Of the home's 4 GiB no more than half. What bodies on all nodes have is less than half of
        // that: a deputy gives its room back somewhat later than its body does.
        const std::uint32_t most = process.home ? 2048 : 1024 / max_nodes;
        if (rooms == most) return false;
        room = static_cast<std::uint8_t*>(arena::allocate(Thread::largest_room));
        if (room == nullptr) return false;
        ++rooms;
    }
    thread->usual_buffer = thread->buffer;
    thread->buffer = room;
    thread->room = Thread::largest_room;
    return true;
}

void give_back_room(Thread* thread) {
    if (thread->room == Thread::usual_room) return;
    Holding held(rooms_lock);
    memcpy(thread->buffer, &free_rooms, sizeof free_rooms);
    free_rooms = thread->buffer;
    thread->buffer = thread->usual_buffer;
    thread->room = Thread::usual_room;
}

void for_each_thread(void (*visit)(Thread*)) {
    // visit() takes locks under which others look for threads.
    const std::size_t count = __atomic_load_n(&block_count, __ATOMIC_ACQUIRE);
    for (std::size_t i = 0; i < count; ++i)
        if (__atomic_load_n(&blocks[i]->occupied, __ATOMIC_ACQUIRE) != 0) visit(blocks[i]);
}

Thread* find_thread(std::uint32_t number) {
    Holding held(blocks_lock);
    for (std::size_t i = 0; i < block_count; ++i)
        if (blocks[i]->occupied != 0 && blocks[i]->number == number) return blocks[i];
    return nullptr;
}

Thread* find_thread_by_tid(std::int32_t tid) {
    Holding held(blocks_lock);
    for (std::size_t i = 0; i < block_count; ++i)
        if (blocks[i]->occupied != 0 && blocks[i]->number != ~0U && blocks[i]->tid == tid)
            return blocks[i];
    return nullptr;
}

Thread* find_thread_by_local_tid(std::int32_t tid) {
    Holding held(blocks_lock);
    for (std::size_t i = 0; i < block_count; ++i)
        if (blocks[i]->occupied != 0 && blocks[i]->local_tid == tid) return blocks[i];
    return nullptr;
}

void after_fork() {
    arena::after_fork();
    blocks_lock = Lock{};
    rooms_lock = Lock{};
    for (std::size_t i = 0; i < block_count; ++i) {
        Thread* thread = blocks[i];
        // Between the parent's deputies and their bodies; a number may be free or somebody else's.
        if (thread->occupied != 0 && thread->channel >= 0) sys::call(__NR_close, thread->channel);
        if (thread->occupied != 0) conduit::close(thread);
        thread->channel = thread->conduit[0] = thread->conduit[1] = -1;
        if (thread != self()) thread->occupied = 0;
    }
}

void adopt(Thread* thread) {
    sys::call_with(__NR_arch_prctl, arch_set_gs, thread);
    thread->local_tid =
        static_cast<std::int32_t>(sys::call_with(__NR_set_tid_address, &thread->occupied));
}

void leave_thread() {
    give_back_room(self());
    for (;;) sys::call(__NR_exit, 0);
}

void capture(ThreadState& state, const sys::UContext& context) {
    state.context = context;
    state.fp_size = 0;
    if (context.fpstate == 0) return;
    const auto* fp = reinterpret_cast<const std::uint8_t*>(context.fpstate);
    std::uint32_t software[2];  // magic1, extended_size
    memcpy(software, fp + fp_software, sizeof software);
    const std::uint32_t size = software[0] == fp_magic1 ? software[1] : 512;
    if (size > sizeof state.fp) die("floating-point state larger than any known", size);
    memcpy(state.fp, fp, size);
    state.fp_size = size;
}

void resume(Thread* thread, const ThreadState& state, const sys::StackT& alternate_stack) {
    ThreadState& frame = thread->state;
    if (&frame != &state) memcpy(&frame, &state, travelling_size(state));
    frame.context.fpstate = frame.fp_size != 0 ? reinterpret_cast<std::uint64_t>(frame.fp) : 0;
    frame.context.stack = alternate_stack;
    frame.context.sigmask &= ~(1UL << (sys::sig_sys - 1));
    ssi_leave(&frame.context);
}

}  // namespace holon::ssi

// SPDX-License-Identifier: GPL-2.0-or-later
#include "ssi/runtime/observe.h"

#include "ssi/runtime/arena.h"
#include "ssi/runtime/clock.h"
#include "ssi/runtime/cpu_time.h"
#include "ssi/runtime/memory.h"
#include "ssi/runtime/process.h"

namespace holon::ssi::observe {

bool active;

namespace {

using namespace recording;

/// Time between two samples of CPU time, and between two looks at the table of mappings, ns.
constexpr std::uint64_t sample_every = 100'000'000, maps_every = 50'000'000;
/// Where a new page may lie in its table, from the place that its address hashes to.
constexpr std::size_t page_probes = 16;

Recording* recording_;
Lock slots_lock;
std::uint64_t sampled_at, maps_read_at;
bool maps_wanted;
bool told[max_nodes];

/// Faults that are not over, one per thread at most.
struct Waiting {
    std::int32_t tid;  ///< on this kernel; 0: free
    bool write;
    std::uint64_t address, begin;
};
constexpr std::size_t max_waiting = 256;
Waiting waiting[max_waiting];
std::size_t waiting_end;

template <class T>
void add(T& sum, T more = 1) {
    __atomic_add_fetch(&sum, more, __ATOMIC_RELAXED);
}

/// Null: there are more threads than places.
recording::Thread* slot_of(std::int32_t tid, std::uint32_t node) {
    const auto find = [tid]() -> recording::Thread* {
        for (auto& slot : recording_->threads) {
            if (slot.tid == tid) return &slot;
            if (slot.tid == 0) return nullptr;
        }
        return nullptr;
    };
    if (recording::Thread* slot = find()) return slot;
    Holding held(slots_lock);
    if (recording::Thread* slot = find()) return slot;
    for (auto& slot : recording_->threads) {
        if (slot.tid != 0) continue;
        slot.node = node;
        __atomic_store_n(&slot.tid, tid, __ATOMIC_RELEASE);
        return &slot;
    }
    return nullptr;
}

void record(const Event& event) {
    const std::uint64_t at = __atomic_fetch_add(&recording_->event_count, 1UL, __ATOMIC_RELAXED);
    if (at < max_events)
        recording_->events[at] = event;
    else
        add(recording_->lost_events);
    if (recording_->began == 0) recording_->began = event.begin;
    recording_->seen = event.end;
}

recording::Page* page_of(std::uint64_t address, bool make) {
    const std::size_t hash = (address >> 12) * 0x9e3779b97f4a7c15UL >> 51;  // 13 bits
    static_assert(max_pages == 1 << 13);
    recording::Page* least = nullptr;
    for (std::size_t i = 0; i < page_probes; ++i) {
        recording::Page& page = recording_->pages[(hash + i) % max_pages];
        if (page.address == address) return &page;
        if (page.address != 0) {
            if (least == nullptr || page.reads + page.writes < least->reads + least->writes)
                least = &page;
            continue;
        }
        if (!make) return nullptr;
        page.address = address;
        maps_wanted = true;
        return &page;
    }
    if (!make) return nullptr;
    // A hot page comes again; one of many that are touched once may go.
    add(recording_->lost_pages);
    if (least->reads + least->writes > 2) return nullptr;
    memset(least, 0, sizeof *least);
    least->address = address;
    maps_wanted = true;
    return least;
}

void count_user(recording::Page& page, std::int32_t tid, std::uint32_t node, std::uint64_t address,
                bool write) {
    const auto offset = static_cast<std::uint16_t>(address & 4095);
    for (User& user : page.users) {
        if (user.tid == 0) {
            user = {tid, static_cast<std::uint16_t>(node), 4095, 0, 0, 0, 0};
        } else if (user.tid != tid) {
            continue;
        }
        user.node = static_cast<std::uint16_t>(node);
        if (!write) {
            ++user.reads;
            return;
        }
        ++user.writes;
        if (offset < user.low) user.low = offset;
        if (offset > user.high) user.high = offset;
        return;
    }
}

void record_fault(std::uint32_t node, const Seen& seen) {
    const std::uint64_t ns = seen.end > seen.begin ? seen.end - seen.begin : 0;
    ++recording_->faults;
    if (recording::Thread* slot = slot_of(seen.tid, node)) {
        ++(seen.write != 0 ? slot->writes : slot->reads);
        slot->fault_ns += ns;
    }
    if (recording::Page* page = page_of(seen.address & ~4095UL, true)) {
        ++(seen.write != 0 ? page->writes : page->reads);
        page->ns += ns;
        count_user(*page, seen.tid, node, seen.address, seen.write != 0);
    }
    record({seen.begin, seen.begin + ns, seen.address, seen.tid, Kind::fault,
            static_cast<std::uint8_t>(node), static_cast<std::uint8_t>(seen.write)});
}

void over(const Waiting& fault) {
    Seen seen{fault.address, fault.begin, clock_now(), fault.tid, fault.write ? 1U : 0U};
    if (process.home) return record_fault(0, seen);
    const holon::ssi::Thread* thread = find_thread_by_local_tid(fault.tid);
    if (thread == nullptr) return;
    seen.tid = thread->tid;
    memory::link(0).send({sizeof seen, wire::Type::seen, 0, 0, 0, 0}, &seen);
}

void read_maps() {
    const long file =
        sys::call_with(__NR_openat, -100, "/proc/self/maps", sys::o_rdonly | sys::o_cloexec, 0);
    if (sys::failed(file)) return;
    add(recording_->maps_version);
    std::size_t size = 0;
    while (size < max_maps) {
        const long n = sys::call_with(__NR_read, file, recording_->maps + size, max_maps - size);
        if (n == -sys::e_intr) continue;
        if (n <= 0) break;
        size += static_cast<std::size_t>(n);
    }
    sys::call(__NR_close, file);
    recording_->maps_size = static_cast<std::uint32_t>(size);
    add(recording_->maps_version);
}

void sample(const dsm::Counters& counters) {
    recording_->seen = clock_now();
    for (std::uint32_t node = 0; node < process.nodes; ++node) {
        recording_->cpu[node] = cpu_time::last_of(node);
        recording_->threads_on[node] = process.threads_on[node];
    }
    recording_->bytes = counters.bytes;
    recording_->grants = counters.grants;
    recording_->prefetched = counters.prefetched;
    recording_->prefetch_hits = counters.prefetch_hits;
    recording_->migratory = counters.migratory;
    recording_->first_touched = counters.first_touched;
    cpu_time::ask_all();
}

void tell_nodes() {
    for (std::uint32_t node = 1; node < process.nodes; ++node) {
        if (!process.body_on[node]) {
            told[node] = false;
        } else if (told[node] != active) {
            told[node] = active;
            memory::link(node).send({0, wire::Type::observe, 0, active ? 1UL : 0UL, 0, 0}, nullptr);
        }
    }
}

}  // namespace

void begin(int memory) {
    if (recording_ == nullptr) {
        void* place = arena::allocate(sizeof(Recording));
        constexpr long map_shared = 1;
        if (place != nullptr &&
            !sys::failed(sys::call_with(__NR_mmap, place, sizeof(Recording),
                                        sys::prot_read | sys::prot_write,
                                        map_shared | sys::map_fixed, memory, 0)))
            recording_ = static_cast<Recording*>(place);
    }
    sys::call(__NR_close, memory);
    if (recording_ == nullptr) return;
    recording_->magic = magic;
    recording_->pid = process.pid;
    recording_->nodes = process.nodes;
    recording_->began = recording_->seen = clock_now();
}

std::uint64_t tick(std::uint64_t now, const dsm::Counters& counters) {
    if (recording_ == nullptr) return 0;
    const bool wanted = now < __atomic_load_n(&recording_->until, __ATOMIC_RELAXED);
    if (wanted != active) {
        __atomic_store_n(&active, wanted, __ATOMIC_RELAXED);
        waiting_end = 0;
    }
    tell_nodes();
    if (!wanted) return 0;
    if (now - sampled_at >= sample_every) {
        sampled_at = now;
        sample(counters);
    }
    if (maps_wanted && now - maps_read_at >= maps_every) {
        maps_wanted = false;
        maps_read_at = now;
        read_maps();
    }
    return sample_every;
}

void used(std::uint32_t node) { recording_->cpu[node] = cpu_time::last_of(node); }

void set(bool wanted) {
    active = wanted;
    waiting_end = 0;
}

void forget() {
    active = false;
    recording_ = nullptr;
    slots_lock = Lock{};
    for (bool& each : told) each = false;
}

void faulted(std::int32_t local_tid, std::uint64_t address, bool write) {
    Waiting* free = nullptr;
    for (std::size_t i = 0; i < waiting_end; ++i) {
        if (waiting[i].tid == local_tid) {
            // It waits still, or was let go by what is not a change of pages.
            if ((waiting[i].address ^ address) >> 12 == 0 && waiting[i].write == write) return;
            free = &waiting[i];
            break;
        }
        if (waiting[i].tid == 0) free = &waiting[i];
    }
    if (free == nullptr && waiting_end < max_waiting) free = &waiting[waiting_end++];
    if (free != nullptr) *free = {local_tid, write, address, clock_now()};
}

void resolved(dsm::Page page, unsigned count) {
    for (std::size_t i = 0; i < waiting_end; ++i) {
        Waiting& each = waiting[i];
        if (each.tid == 0 || dsm::page_of(each.address) - page >= count) continue;
        over(each);
        each.tid = 0;
    }
    while (waiting_end > 0 && waiting[waiting_end - 1].tid == 0) --waiting_end;
}

void heard(std::uint32_t node, const wire::Frame& frame, const void* payload) {
    Seen seen;
    if (frame.length != sizeof seen) die("a node sent a broken report of a fault");
    memcpy(&seen, payload, sizeof seen);
    if (on()) record_fault(node, seen);
}

void taken(std::uint32_t node, dsm::Page first, unsigned count) {
    for (unsigned i = 0; i < count; ++i)
        if (recording::Page* page = page_of((first + i) << 12, false)) ++page->taken;
    const std::uint64_t now = clock_now();
    record({now, now, first << 12, 0, Kind::taken, static_cast<std::uint8_t>(node),
            static_cast<std::uint8_t>(count)});
}

void called(const holon::ssi::Thread* thread, std::int64_t number, std::uint64_t begin) {
    const std::uint64_t end = clock_now();
    const std::uint64_t ns = end > begin ? end - begin : 0;
    add(recording_->calls);
    add(recording_->call_ns, ns);
    if (recording::Thread* slot = slot_of(thread->tid, thread->node)) {
        slot->stack = thread->state.context.rsp;
        slot->node = thread->node;
        ++slot->calls;
        slot->call_ns += ns;
    }
    if (number >= 0 && number < static_cast<std::int64_t>(max_calls)) {
        add(recording_->by_number[number].count);
        add(recording_->by_number[number].ns, ns);
    }
    record({begin, end, static_cast<std::uint64_t>(number), thread->tid, Kind::call,
            static_cast<std::uint8_t>(thread->node), 0});
}

void moved(const holon::ssi::Thread* thread) {
    const std::uint64_t now = clock_now();
    if (recording::Thread* slot = slot_of(thread->tid, thread->node)) {
        slot->stack = thread->state.context.rsp;
        slot->node = thread->node;
        ++slot->moves;
    }
    record({now, now, 0, thread->tid, Kind::moved, static_cast<std::uint8_t>(thread->node), 0});
}

void pinned(const char* reason) {
    const std::uint64_t now = clock_now();
    for (std::size_t i = 0; i < sizeof recording_->home_why - 1 && reason[i] != '\0'; ++i)
        recording_->home_why[i] = reason[i];
    recording_->home_at = now;
    record({now, now, 0, 0, Kind::home, 0, 0});
}

void judged(bool bad) {
    ++recording_->windows;
    if (bad) ++recording_->bad_windows;
}

}  // namespace holon::ssi::observe

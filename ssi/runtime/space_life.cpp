// SPDX-License-Identifier: GPL-2.0-or-later
//
// The address space in the large: prepared, armed, copied to a node, frozen for a fork, let go of.
#include "ssi/runtime/space_state.h"

#include "ssi/runtime/agent.h"
#include "ssi/runtime/arena.h"
#include "ssi/runtime/calls.h"
#include "ssi/runtime/clock.h"
#include "ssi/runtime/control.h"
#include "ssi/runtime/cpu_time.h"
#include "ssi/runtime/departure.h"
#include "ssi/runtime/layout.h"
#include "ssi/runtime/observe.h"
#include "ssi/runtime/parameters.h"
#include "ssi/runtime/program_vdso.h"
#include "ssi/runtime/relocate.h"
#include "ssi/runtime/signals.h"

namespace holon::ssi::space {
namespace {

/// Some page of a private file mapping is the program's own and no longer the file's (relocated
/// data that was then made read-only, say). Bit 61 of pagemap: the page is the file's (Linux 3.5).
bool has_private_pages(const Mapping& mapping) {
    const long file =
        sys::call_with(__NR_openat, -100, "/proc/self/pagemap", sys::o_rdonly | sys::o_cloexec, 0);
    if (sys::failed(file)) return true;
    bool found = false;
    for (std::uint64_t page = mapping.begin >> 12; page < mapping.end >> 12 && !found;) {
        std::uint64_t entries[256];
        const std::uint64_t left = (mapping.end >> 12) - page;
        const std::uint64_t count = left < 256 ? left : 256;
        const long n = sys::call_with(__NR_pread64, file, entries, count * 8, page * 8);
        if (n <= 0) break;
        for (long i = 0; i < n / 8; ++i)
            found |= (entries[i] >> 62) != 0 && (entries[i] & (1UL << 61)) == 0;
        page += static_cast<std::uint64_t>(n) / 8;
    }
    sys::call(__NR_close, file);
    return found;
}

/// The kernel grows a stack mapping by itself, which other nodes would not hear of: it gets its
/// full size now.
void grow_stack(const Mapping& stack) {
    struct {
        std::uint64_t soft, hard;
    } limit{};
    sys::call_with(__NR_prlimit64, 0, 3, 0, &limit);  // RLIMIT_STACK
    constexpr std::uint64_t most = 64 << 20;
    const std::uint64_t size = limit.soft < most ? limit.soft : most;
    if (size < (128 << 10)) return;
    const std::uint64_t lowest = stack.end - size + (64 << 10);
    if (lowest >= stack.begin) return;
    std::uint8_t zero = 0;
    copy_out(page_down(lowest), &zero, 1);  // a touch through the kernel: harmless where it fails
    *reinterpret_cast<volatile std::uint8_t*>(page_down(lowest));
}

}  // namespace

void prepare() {
    if (!state.files.open() || !state.shared.open() || !state.maps.read())
        die("/proc/self/maps cannot be read");
    Mapping mapping;
    while (state.maps.next(mapping)) {
        if (in_runtime(mapping.begin, mapping.end)) continue;
        if (mapping.shared) {
            if (home_only(mapping))
                keep_at_home(mapping);
            else
                state.files.add(mapping.begin, mapping.end);
        } else if (mapping.file) {
            if ((mapping.prot & sys::prot_write) != 0 || has_private_pages(mapping)) {
                if (const long error = make_anonymous(mapping); sys::failed(error))
                    die("a file's mapping cannot be copied", error);
            } else {
                state.files.add(mapping.begin, mapping.end);
            }
        } else if (memcmp(mapping.path, "[stack]", 8) == 0) {
            grow_stack(mapping);
        }
    }
}

bool arm() {
    Holding change(state.change);
    if (process.armed) return true;
    if (process.pinned) return false;
    const long device = connect_daemon();
    if (!sys::failed(device) && process.pinned) {  // known to be better at home
        sys::call(__NR_close, device);
        return false;
    }
    if (sys::failed(device) || process.nodes < 2 || memory::open(static_cast<int>(device)) != 0 ||
        !state.maps.read()) {
        process.pinned = true;
        // A program that gave up privileges may not look at its own memory (/proc is root's then).
        report_pinned("own-memory-unreadable");
        return false;
    }
    Mapping mapping;
    Holding holding(memory::lock());
    while (state.maps.next(mapping)) {
        if (in_runtime(mapping.begin, mapping.end) || mapping.file || mapping.shared) continue;
        if (mapping.path[0] == '[' && mapping.path[1] == 'v') continue;
        if (const long error = memory::watch(mapping.begin, mapping.end); error != 0)
            die("memory cannot be watched", error);
    }
    adjust_clocks();
    process.armed = agent::start();
    return process.armed;
}

bool start_body(std::uint32_t node) {
    Holding change(state.change);
    if (process.body_on[node]) return true;
    const long socket = request_body(node);
    if (sys::failed(socket)) return false;
    if (!state.maps.read() || !memory::link(node).open(hide_descriptor(static_cast<int>(socket))))
        return false;
    {
        Holding holding(memory::lock());
        state.asked[node] = state.answered[node].now();
        process.body_on[node] = true;
        std::uint64_t first = 0;
        for (std::uint32_t i = 0; i < node; ++i) first += process.node_cpus[i];
        const wire::Frame frame{0, wire::Type::cpus, 0, first, process.node_cpus[node], 0};
        memory::link(node).send(frame, nullptr);
    }
    agent::wake();
    Mapping mapping;
    while (state.maps.next(mapping)) {
        if (in_runtime(mapping.begin, mapping.end)) continue;
        if (mapping.path[0] == '[' && mapping.path[1] == 'v') continue;
        if (state.shared.touches(mapping.begin, mapping.end)) {
            keep_at_home(mapping);
            continue;
        }
        if (!mapping.file) {
            const MapRequest request{static_cast<std::uint32_t>(mapping.prot),
                                     MapRequest::under_engine, 0, 0, 0};
            Holding holding(memory::lock());
            const wire::Frame frame{
                sizeof request, wire::Type::map, 0, mapping.begin, mapping.end - mapping.begin, 0};
            memory::link(node).send(frame, &request);
            continue;
        }
        const std::size_t size = file_map.describe(mapping);
        bool there = size != 0;
        if (there) {
            Holding holding(memory::lock());
            const wire::Frame frame{static_cast<std::uint32_t>(size),
                                    wire::Type::map,
                                    0,
                                    mapping.begin,
                                    mapping.end - mapping.begin,
                                    0};
            memory::link(node).send(frame, &file_map);
            ++state.asked[node];
        }
        if (there) {
            state.answered[node].wait_for(state.asked[node]);
            there = state.last_error[node] == 0;
            state.last_error[node] = 0;
        }
        if (!there && mapping.shared)
            keep_at_home(mapping);
        else if (!there)
            serve_file_from_home(mapping);
    }
    return true;
}

void done(std::uint32_t node, const wire::Frame& frame) {
    if (frame.b != 0) state.last_error[node] = -static_cast<long>(frame.b);
    state.answered[node].advance();
}

void freeze() {
    state.change.acquire();
    if (!process.armed) return;
    const std::uint32_t target = memory::gathers().now() + 1;
    {
        Holding holding(memory::lock());
        memory::check(
            memory::home().gather(0, dsm::page_limit - 1, dsm::Mode::read, 0, agent_clock()));
    }
    memory::gathers().wait_for(target);
}

void thaw() {
    if (process.armed) {
        Holding holding(memory::lock());
        memory::check(memory::home().release(0, dsm::page_limit - 1, agent_clock()));
    }
    state.change.release();
}

void forget() {
    memory::close();
    agent::forget();
    NoRoomForDescriptors::forget();
    if (process.control >= 0) sys::call(__NR_close, process.control);
    process.control = -1;
    auto* parameters = reinterpret_cast<Parameters*>(layout::parameters);
    memset(parameters->proof, 0, sizeof parameters->proof);
    relocate::forget();
    departure::forget();
    observe::forget();
    process.armed = false;
    process.pinned = false;
    process.pid = static_cast<std::int32_t>(sys::call(__NR_getpid));
    process.control_lock = Lock{};
    process.thread_lock = Lock{};
    for (unsigned node = 0; node < max_nodes; ++node) {
        process.body_on[node] = false;
        process.threads_on[node] = 0;
    }
    process.threads_on[0] = 1;
    process.live_threads = 1;
    process.next_number = 1;
    state.change = Lock{};
    release_actions();
    forget_clock_change();
    after_fork();
    prepare_copies();
}

std::uint64_t link_position(std::uint32_t node) {
    return process.body_on[node] ? memory::link(node).position() : 0;
}

void disarm() {
    Holding change(state.change);
    if (!process.armed) return;
    const std::uint32_t target = memory::gathers().now() + 1;
    {
        Holding holding(memory::lock());
        memory::check(
            memory::home().gather(0, dsm::page_limit - 1, dsm::Mode::write, 0, agent_clock()));
    }
    memory::gathers().wait_for(target);
    cpu_time::collect();
    Holding holding(memory::lock());
    memory::unwatch_all();
    for (unsigned node = 1; node < process.nodes; ++node)
        if (process.body_on[node]) {
            process.body_on[node] = false;
            cpu_time::closed(node);
            sys::call(__NR_close, memory::link(node).descriptor());
        }
    process.armed = false;
}

void send_recall(std::uint32_t node, std::uint32_t number) {
    Holding holding(memory::lock());
    const wire::Frame frame{0, wire::Type::recall_thread, 0, number, 0, 0};
    memory::link(node).send(frame, nullptr);
}

void send_binding(std::uint32_t node, std::uint32_t number, const KernelCpus& cpus) {
    Holding holding(memory::lock());
    const wire::Frame frame{sizeof cpus, wire::Type::bind_thread, 0, number, 0, 0};
    memory::link(node).send(frame, &cpus);
}

void send_signal(std::uint32_t node, std::uint32_t number, const PendingSignal& signal) {
    Holding holding(memory::lock());
    const wire::Frame frame{sizeof signal, wire::Type::signal, 0, number, 0, 0};
    memory::link(node).send(frame, &signal);
}

}  // namespace holon::ssi::space

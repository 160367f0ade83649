// SPDX-License-Identifier: GPL-2.0-or-later
#include "ssi/runtime/space.h"

#include "ssi/runtime/agent.h"
#include "ssi/runtime/arena.h"
#include "ssi/runtime/calls.h"
#include "ssi/runtime/clock.h"
#include "ssi/runtime/control.h"
#include "ssi/runtime/cpu_time.h"
#include "ssi/runtime/file_identity.h"
#include "ssi/runtime/layout.h"
#include "ssi/runtime/maps.h"
#include "ssi/runtime/memory.h"
#include "ssi/runtime/program_vdso.h"
#include "ssi/runtime/signals.h"

namespace holon::ssi::space {
namespace {

constexpr long mremap_maymove = 1, mremap_fixed = 2, mremap_dontunmap = 4;
constexpr std::uint64_t user_end = 0x7fff'ffff'f000;

/// One change of the address space at a time. Taken before the space lock, held while nodes answer.
Lock change_lock;
/// Private file mappings, which are not writable: nodes map the same file.
Ranges files;
Maps maps;
std::uint32_t asked[max_nodes];  ///< changes that node has to answer
Sequence answered[max_nodes];
long last_error[max_nodes];
std::uint64_t brk_start;  ///< first address of the heap's growth, page-aligned

constexpr std::uint64_t page_down(std::uint64_t address) { return address & ~4095UL; }
constexpr std::uint64_t page_up(std::uint64_t address) { return (address + 4095) & ~4095UL; }

bool valid(std::uint64_t address, std::uint64_t length) {
    return (address & 4095) == 0 && address < user_end && length <= user_end - address;
}
bool in_runtime(std::uint64_t begin, std::uint64_t end) {
    return begin < layout::range_end + layout::page_size && end > layout::range_begin;
}

/// To every body process, in order. Under the space lock.
void tell(wire::Type type, std::uint64_t address, std::uint64_t length, const void* payload,
          std::size_t size, bool answer) {
    const wire::Frame frame{static_cast<std::uint32_t>(size), type, 0, address, length, 0};
    for (unsigned node = 1; node < process.nodes; ++node)
        if (process.body_on[node]) {
            memory::link(node).send(frame, payload);
            if (answer) ++asked[node];
        }
}

/// Until every node has answered what it was asked. Not under the space lock. The first error.
long wait_for_answers() {
    long error = 0;
    for (unsigned node = 1; node < process.nodes; ++node)
        if (process.body_on[node]) {
            answered[node].wait_for(asked[node]);
            if (last_error[node] != 0 && error == 0) error = last_error[node];
            last_error[node] = 0;
        }
    return error;
}

/// Everything the program can reach there becomes anonymous memory with the same contents and
/// protection. The file's name is lost from /proc/PID/maps; the memory can be watched.
long make_anonymous(const Mapping& mapping) {
    const std::uint64_t size = mapping.end - mapping.begin;
    const long copy = sys::call_with(__NR_mmap, 0, size, sys::prot_read | sys::prot_write,
                                     sys::map_private | sys::map_anonymous, -1, 0);
    if (sys::failed(copy)) return copy;
    // Past the file's end there is nothing to read; those pages stay zero.
    for (std::uint64_t done = 0; done < size; done += 4096) {
        if ((mapping.prot & sys::prot_read) != 0) {
            const std::uint64_t left = size - done;
            if (copy_in(reinterpret_cast<void*>(copy + static_cast<long>(done)),
                        mapping.begin + done, left) == 0)
                break;
            if (copy_in(reinterpret_cast<void*>(copy + static_cast<long>(done)),
                        mapping.begin + done, 4096) != 0)
                break;
        } else {
            break;
        }
    }
    if (mapping.prot != (sys::prot_read | sys::prot_write))
        sys::call_with(__NR_mprotect, copy, size, mapping.prot);
    return sys::call_with(__NR_mremap, copy, size, size, mremap_maymove | mremap_fixed,
                          mapping.begin);
}

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

/// Discards [begin, end) everywhere, does `change` at home in between, and says what the pages are
/// afterwards. Under the change lock.
template <typename Change>
long replace(std::uint64_t begin, std::uint64_t end, wire::Type type, dsm::Afterwards afterwards,
             dsm::Held held, Change change) {
    if (!process.armed) return change();
    const dsm::Page first = dsm::page_of(begin), last = dsm::page_of(end) - 1;
    {
        Holding holding(memory::lock());
        memory::check(memory::home().begin_discard(first, last));
        tell(type, begin, end - begin, nullptr, 0, true);
    }
    wait_for_answers();
    Holding holding(memory::lock());
    memory::home().discard(first, last);
    const long result = change();
    if (type == wire::Type::unmap) {
        memory::ranges().remove(begin, end);
        files.remove(begin, end);
    }
    memory::check(memory::home().finish_discard(first, last, afterwards, held, agent_clock()));
    memory::wake(begin, end);
    return result;
}

void announce_anonymous(std::uint64_t begin, std::uint64_t end, int prot) {
    const MapRequest request{static_cast<std::uint32_t>(prot), 0, 0, 0, 0};
    tell(wire::Type::map, begin, end - begin, &request, sizeof request, false);
}

/// A new anonymous mapping comes under the engine and is told to all. Under the change lock.
void adopt_anonymous(std::uint64_t begin, std::uint64_t end, int prot) {
    if (!process.armed) return;
    Holding holding(memory::lock());
    if (const long error = memory::watch(begin, end); error != 0)
        die("new memory cannot be watched", error);
    announce_anonymous(begin, end, prot);
}

struct FileMap {
    MapRequest request;
    char path[4096];
};
FileMap file_map;  ///< under the change lock

/// Tells all nodes to map the same file. False: some node has not got it.
bool announce_file(std::uint64_t begin, std::uint64_t end, int prot, std::uint64_t offset,
                   const char* path) {
    FileIdentity identity;
    if (!identify(path, identity)) return false;
    file_map.request = {static_cast<std::uint32_t>(prot), 1, offset, identity.size,
                        identity.modified};
    const std::size_t length = strlen(path) + 1;
    if (length > sizeof file_map.path) return false;
    memcpy(file_map.path, path, length);
    {
        Holding holding(memory::lock());
        tell(wire::Type::map, begin, end - begin, &file_map, sizeof(MapRequest) + length, true);
    }
    return wait_for_answers() == 0;
}

/// A private mapping of a file that some node cannot map itself: the home's copy is the memory.
void serve_file_from_home(const Mapping& mapping) {
    if (const long error = make_anonymous(mapping); sys::failed(error))
        die("a file's mapping cannot be copied", error);
    Holding holding(memory::lock());
    files.remove(mapping.begin, mapping.end);
    if (const long error = memory::watch(mapping.begin, mapping.end); error != 0)
        die("a file's copy cannot be watched", error);
    announce_anonymous(mapping.begin, mapping.end, mapping.prot);
}

/// A private file mapping was made: writable ones become anonymous memory. Under the change lock.
void adopt_file(std::uint64_t begin, std::uint64_t end, int prot) {
    // The kernel's table knows the file's name.
    if (!maps.read()) die("/proc/self/maps cannot be read");
    Mapping mapping;
    while (maps.next(mapping)) {
        if (mapping.end <= begin || mapping.begin >= end) continue;
        if (mapping.begin < begin) {
            mapping.offset += begin - mapping.begin;
            mapping.begin = begin;
        }
        if (mapping.end > end) mapping.end = end;
        if ((prot & sys::prot_write) != 0) {
            if (const long error = make_anonymous(mapping); sys::failed(error))
                die("a file's mapping cannot be copied", error);
            adopt_anonymous(mapping.begin, mapping.end, prot);
            continue;
        }
        files.add(mapping.begin, mapping.end);
        if (process.armed &&
            !announce_file(mapping.begin, mapping.end, prot, mapping.offset, mapping.path))
            serve_file_from_home(mapping);
    }
}

}  // namespace

void prepare() {
    if (!files.open() || !maps.read()) die("/proc/self/maps cannot be read");
    Mapping mapping;
    while (maps.next(mapping)) {
        if (in_runtime(mapping.begin, mapping.end) || mapping.shared) continue;
        if (mapping.file) {
            if ((mapping.prot & sys::prot_write) != 0 || has_private_pages(mapping)) {
                if (const long error = make_anonymous(mapping); sys::failed(error))
                    die("a file's mapping cannot be copied", error);
            } else {
                files.add(mapping.begin, mapping.end);
            }
        } else if (memcmp(mapping.path, "[stack]", 8) == 0) {
            grow_stack(mapping);
        }
    }
    brk_start = page_up(static_cast<std::uint64_t>(sys::call(__NR_brk, 0)));
}

bool arm() {
    Holding change(change_lock);
    if (process.armed) return true;
    if (process.pinned) return false;
    const long device = connect_daemon();
    if (sys::failed(device) || process.nodes < 2 || memory::open(static_cast<int>(device)) != 0 ||
        !maps.read()) {
        process.pinned = true;
        return false;
    }
    // First look, then touch: what has been watched without an agent could never be used again.
    Mapping mapping;
    while (maps.next(mapping)) {
        if (!mapping.shared || in_runtime(mapping.begin, mapping.end)) continue;
        // A file that nobody writes through a mapping is the same everywhere; anything else that is
        // shared with other processes is not the engine's to copy.
        if ((mapping.prot & sys::prot_write) == 0 && mapping.file) continue;
        process.pinned = true;
        report_pinned("shared-memory");
        return false;
    }
    maps.rewind();
    Holding holding(memory::lock());
    while (maps.next(mapping)) {
        if (in_runtime(mapping.begin, mapping.end) || mapping.file || mapping.shared) continue;
        if (mapping.path[0] == '[' && mapping.path[1] == 'v') continue;
        if (const long error = memory::watch(mapping.begin, mapping.end); error != 0)
            die("memory cannot be watched", error);
    }
    adjust_clocks(0, 0, 0);
    process.armed = agent::start();
    return process.armed;
}

bool start_body(std::uint32_t node) {
    Holding change(change_lock);
    if (process.body_on[node]) return true;
    const long socket = request_body(node);
    if (sys::failed(socket)) return false;
    if (!maps.read() || !memory::link(node).open(hide_descriptor(static_cast<int>(socket))))
        return false;
    {
        Holding holding(memory::lock());
        asked[node] = answered[node].now();
        process.body_on[node] = true;
        std::uint64_t first = 0;
        for (std::uint32_t i = 0; i < node; ++i) first += process.node_cpus[i];
        const wire::Frame frame{0, wire::Type::cpus, 0, first, process.node_cpus[node], 0};
        memory::link(node).send(frame, nullptr);
    }
    agent::wake();
    Mapping mapping;
    while (maps.next(mapping)) {
        if (in_runtime(mapping.begin, mapping.end)) continue;
        if (mapping.path[0] == '[' && mapping.path[1] == 'v') continue;
        if (!mapping.file) {
            const MapRequest request{static_cast<std::uint32_t>(mapping.prot), 0, 0, 0, 0};
            Holding holding(memory::lock());
            const wire::Frame frame{
                sizeof request, wire::Type::map, 0, mapping.begin, mapping.end - mapping.begin, 0};
            memory::link(node).send(frame, &request);
            continue;
        }
        FileIdentity identity;
        bool there = identify(mapping.path, identity);
        const std::size_t length = strlen(mapping.path) + 1;
        if (there && length <= sizeof file_map.path) {
            file_map.request = {static_cast<std::uint32_t>(mapping.prot), 1, mapping.offset,
                                identity.size, identity.modified};
            memcpy(file_map.path, mapping.path, length);
            Holding holding(memory::lock());
            const wire::Frame frame{static_cast<std::uint32_t>(sizeof(MapRequest) + length),
                                    wire::Type::map,
                                    0,
                                    mapping.begin,
                                    mapping.end - mapping.begin,
                                    0};
            memory::link(node).send(frame, &file_map);
            ++asked[node];
        }
        if (there) {
            answered[node].wait_for(asked[node]);
            there = last_error[node] == 0;
            last_error[node] = 0;
        }
        if (!there) serve_file_from_home(mapping);
    }
    return true;
}

void done(std::uint32_t node, const wire::Frame& frame) {
    if (frame.b != 0) last_error[node] = -static_cast<long>(frame.b);
    answered[node].advance();
}

long map(std::uint64_t address, std::uint64_t length, long prot, long flags, long fd,
         std::uint64_t offset) {
    const bool anonymous = (flags & sys::map_anonymous) != 0;
    const bool isprivate = (flags & sys::map_type) == sys::map_private;
    const std::uint64_t size = page_up(length);
    const bool fixed = (flags & (sys::map_fixed | sys::map_fixed_noreplace)) != 0;
    if (fixed && (!valid(address, size) || in_runtime(address, address + size)))
        return -(fixed && (flags & sys::map_fixed_noreplace) ? sys::e_exist : sys::e_nomem);
    if (length == 0 || size == 0) return -sys::e_inval;
    if ((flags & sys::map_hugetlb) != 0) return -sys::e_nomem;  // as where no huge page is left
    // Pages are made present by use; the kernel must not wait for the agent inside mmap.
    flags &= ~(static_cast<long>(sys::map_populate) | sys::map_locked | sys::map_growsdown);

    Holding change(change_lock);
    const auto native = [&] {
        return sys::call_with(__NR_mmap, address, length, prot, flags, fd, offset);
    };
    const long result = (flags & sys::map_fixed) != 0
                            ? replace(address, address + size, wire::Type::unmap,
                                      dsm::Afterwards::unknown, dsm::Held::drop, native)
                            : native();
    if (sys::failed(result)) return result;
    const auto begin = static_cast<std::uint64_t>(result);
    // Memory shared with other processes keeps this one at home (arm). A file that is only read is
    // the same on every node.
    if (!isprivate && (anonymous || (prot & sys::prot_write) != 0)) return result;
    if (anonymous)
        adopt_anonymous(begin, begin + size, static_cast<int>(prot));
    else
        adopt_file(begin, begin + size, static_cast<int>(prot));
    return result;
}

long unmap(std::uint64_t address, std::uint64_t length) {
    const std::uint64_t size = page_up(length);
    if (!valid(address, size) || length == 0 || in_runtime(address, address + size))
        return -sys::e_inval;
    Holding change(change_lock);
    if (!process.armed) files.remove(address, address + size);
    return replace(address, address + size, wire::Type::unmap, dsm::Afterwards::unknown,
                   dsm::Held::drop, [&] { return sys::call_with(__NR_munmap, address, length); });
}

long protect(std::uint64_t address, std::uint64_t length, long prot, long key) {
    const std::uint64_t size = page_up(length);
    if ((address & 4095) != 0) return -sys::e_inval;
    if (!valid(address, size) || in_runtime(address, address + size)) return -sys::e_nomem;
    Holding change(change_lock);
    if ((prot & sys::prot_write) != 0) {
        // A file's page that may now be written is the engine's to move.
        for (Range file; (file = files.first_in(address, address + size)).begin < file.end;) {
            if (!maps.read()) die("/proc/self/maps cannot be read");
            Mapping mapping;
            while (maps.next(mapping)) {
                if (mapping.end <= file.begin || mapping.begin >= file.end) continue;
                if (mapping.begin < file.begin) mapping.begin = file.begin;
                if (mapping.end > file.end) mapping.end = file.end;
                if (mapping.shared && process.armed)
                    die("a file shared for writing in a program whose threads are on several "
                        "nodes");
                if (mapping.shared) continue;
                if (const long error = make_anonymous(mapping); sys::failed(error)) return error;
                adopt_anonymous(mapping.begin, mapping.end, mapping.prot);
            }
            files.remove(file.begin, file.end);
        }
    }
    const long result = key < 0 ? sys::call_with(__NR_mprotect, address, length, prot)
                                : sys::call_with(__NR_pkey_mprotect, address, length, prot, key);
    if (result != 0 || !process.armed) return result;
    {
        Holding holding(memory::lock());
        const auto wanted = static_cast<std::uint32_t>(prot);
        tell(wire::Type::protect, address, size, &wanted, sizeof wanted, true);
    }
    wait_for_answers();
    return result;
}

long advise(std::uint64_t address, std::uint64_t length, long advice) {
    const std::uint64_t size = page_up(length);
    if (!process.armed || !valid(address, size) || size == 0)
        return sys::call_with(__NR_madvise, address, length, advice);
    if (in_runtime(address, address + size)) return -sys::e_nomem;
    switch (advice) {
        case sys::madv_dontneed: {
            Holding change(change_lock);
            return replace(address, address + size, wire::Type::discard, dsm::Afterwards::unknown,
                           dsm::Held::serve,
                           [&] { return sys::call_with(__NR_madvise, address, length, advice); });
        }
        case sys::madv_free:
            return 0;  // the kernel may free such pages, or never
        case 22:
        case 23:  // MADV_POPULATE_READ, _WRITE: by use
            return 0;
        default:
            return sys::call_with(__NR_madvise, address, length, advice);
    }
}

long remap(std::uint64_t address, std::uint64_t old_length, std::uint64_t new_length, long flags,
           std::uint64_t target) {
    const auto native = [&] {
        return sys::call_with(__NR_mremap, address, old_length, new_length, flags, target);
    };
    Holding change(change_lock);
    const std::uint64_t old_size = page_up(old_length), new_size = page_up(new_length);
    if (!process.armed) {
        const long result = native();
        if (!sys::failed(result) && files.touches(address, address + old_size)) {
            files.remove(address, address + old_size);
            files.add(static_cast<std::uint64_t>(result),
                      static_cast<std::uint64_t>(result) + new_size);
        }
        return result;
    }
    if (!valid(address, old_size) || new_size == 0 || old_size == 0 ||
        (flags & mremap_dontunmap) != 0 || files.touches(address, address + old_size))
        return -sys::e_inval;
    if (memory::ranges().around(address).end < address + old_size) return -sys::e_fault;
    // Everything of it comes home; it is moved here, and is new memory to everybody.
    const dsm::Page first = dsm::page_of(address), last = dsm::page_of(address + old_size) - 1;
    if ((flags & mremap_fixed) != 0 &&
        (!valid(target, new_size) || in_runtime(target, target + new_size)))
        return -sys::e_inval;
    const std::uint32_t target_gather = memory::gathers().now() + 1;
    {
        Holding holding(memory::lock());
        memory::check(memory::home().gather(first, last, dsm::Mode::write, 0, agent_clock()));
    }
    memory::gathers().wait_for(target_gather);
    if ((flags & mremap_fixed) != 0)
        replace(target, target + new_size, wire::Type::unmap, dsm::Afterwards::unknown,
                dsm::Held::drop, [] { return 0L; });
    {
        Holding holding(memory::lock());
        memory::check(memory::home().begin_discard(first, last));
        memory::check(memory::home().release(first, last, agent_clock()));
        tell(wire::Type::unmap, address, old_size, nullptr, 0, true);
    }
    wait_for_answers();
    Mapping before{};
    if (maps.read()) {
        Mapping each;
        while (maps.next(each))
            if (each.begin <= address && each.end > address) before = each;
    }
    Holding holding(memory::lock());
    memory::home().discard(first, last);
    const long result = native();
    memory::ranges().remove(address, address + old_size);
    memory::check(memory::home().finish_discard(first, last, dsm::Afterwards::unknown,
                                                dsm::Held::drop, agent_clock()));
    const std::uint64_t begin = sys::failed(result) ? address : static_cast<std::uint64_t>(result);
    const std::uint64_t size = sys::failed(result) ? old_size : new_size;
    if (const long error = memory::watch(begin, begin + size); error != 0)
        die("moved memory cannot be watched", error);
    announce_anonymous(begin, begin + size, before.prot);
    memory::wake(address, address + old_size);
    return result;
}

long brk(std::uint64_t end) {
    Holding change(change_lock);
    const auto before = static_cast<std::uint64_t>(sys::call(__NR_brk, 0));
    if (end == 0 || end == before) return static_cast<long>(before);
    const std::uint64_t old_end = page_up(before), new_end = page_up(end);
    if (new_end < old_end)
        return replace(new_end, old_end, wire::Type::unmap, dsm::Afterwards::unknown,
                       dsm::Held::drop, [&] { return sys::call_with(__NR_brk, end); });
    const long result = sys::call_with(__NR_brk, end);
    if (static_cast<std::uint64_t>(result) >= end && new_end > old_end)
        adopt_anonymous(old_end, new_end, sys::prot_read | sys::prot_write);
    return result;
}

void freeze() {
    change_lock.acquire();
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
    change_lock.release();
}

void forget() {
    if (process.armed) memory::close();
    if (process.control >= 0) sys::call(__NR_close, process.control);
    process.control = -1;
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
    change_lock = Lock{};
    release_copies();
    release_actions();
    after_fork();
}

std::uint64_t link_position(std::uint32_t node) {
    return process.body_on[node] ? memory::link(node).position() : 0;
}

void disarm() {
    Holding change(change_lock);
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

namespace holon::ssi {

bool address_space_call(const CallArgs& call, long& result) {
    const auto address = static_cast<std::uint64_t>(call.a[0]);
    const auto length = static_cast<std::uint64_t>(call.a[1]);
    switch (call.number) {
        case __NR_mmap:
            result = space::map(address, length, call.a[2], call.a[3], call.a[4],
                                static_cast<std::uint64_t>(call.a[5]));
            return true;
        case __NR_munmap:
            result = space::unmap(address, length);
            return true;
        case __NR_mprotect:
            result = space::protect(address, length, call.a[2], -1);
            return true;
        case __NR_pkey_mprotect:
            result = space::protect(address, length, call.a[2], call.a[3]);
            return true;
        case __NR_madvise:
            result = space::advise(address, length, call.a[2]);
            return true;
        case __NR_mremap:
            result = space::remap(address, length, static_cast<std::uint64_t>(call.a[2]), call.a[3],
                                  static_cast<std::uint64_t>(call.a[4]));
            return true;
        case __NR_brk:
            result = space::brk(address);
            return true;
        case __NR_mlock:
        case __NR_mlock2:
        case __NR_mlockall:
            // Pages that may be elsewhere cannot be held here: as for a user whose RLIMIT_MEMLOCK
            // is 0.
            result = process.armed ? -sys::e_perm
                                   : sys::call(call.number, call.a[0], call.a[1], call.a[2]);
            return true;
        case __NR_remap_file_pages:
            result = -sys::e_nosys;
            return true;
        default:
            return false;
    }
}

}  // namespace holon::ssi

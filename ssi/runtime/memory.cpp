// SPDX-License-Identifier: GPL-2.0-or-later
#include "ssi/runtime/memory.h"

#include <linux/ioctl.h>
#include <linux/userfaultfd.h>

#include <new>

#include <initializer_list>

#include "ssi/runtime/arena.h"
#include "ssi/runtime/clock.h"
#include "ssi/runtime/control.h"
#include "ssi/runtime/observe.h"

namespace holon::ssi::memory {
namespace {

constexpr int e_noent = 2;
constexpr std::uint64_t pagemap_present = 3UL << 62;  // present or swapped

Lock space_lock;
Ranges watched;
Link links[max_nodes];
Sequence gather_sequence;
int memory_file = -1, pagemap_file = -1;
std::byte* page_buffer;
alignas(Home) std::uint8_t home_storage[sizeof(Home)];
alignas(Remote) std::uint8_t remote_storage[sizeof(Remote)];

long control(unsigned long request, void* argument) {
    return sys::call_with(__NR_ioctl, process.userfault, request, argument);
}

/// What belongs to root when the process has given up privileges, and is its own all the same.
long open_mine(const char* path, unsigned which) {
    const long file = sys::call_with(__NR_openat, -100, path, sys::o_rdonly | sys::o_cloexec, 0);
    return sys::failed(file) && process.home ? open_own_memory(which) : file;
}

[[noreturn]] void die_at(const char* what, std::uint64_t address, long error = 0) {
    trace(what, address, static_cast<std::uint64_t>(-error));
    die(what, error);
}

std::uint64_t address_of(dsm::Page page) { return page << dsm::page_shift; }

/// Like install, page by page where the run crosses mappings, which one call may from Linux 6.3 on
/// only.
long change_protection(dsm::Page page, unsigned count, std::uint64_t mode) {
    const auto change = [mode](dsm::Page first, std::uint64_t pages) {
        uffdio_writeprotect what{{address_of(first), pages << dsm::page_shift}, mode};
        long error;
        while ((error = control(UFFDIO_WRITEPROTECT, &what)) == -sys::e_again) {
        }
        return error;
    };
    const long error = change(page, count);
    if (error != -e_noent || count == 1) return error;
    for (dsm::Page each = page; each < page + count; ++each)
        if (const long one = change(each, 1); one != 0) return one;
    return 0;
}

}  // namespace

void Port::install(dsm::Page page, unsigned count, const std::byte* data, bool writable) {
    // A run may cross from one of the kernel's mappings into its neighbour, which one call must not
    // (ENOENT, nothing done): then it goes page by page.
    std::uint64_t done = 0, step = std::uint64_t{count} << dsm::page_shift;
    const std::uint64_t size = step;
    while (done < size) {
        const std::uint64_t at = address_of(page) + done;
        long error;
        std::int64_t placed;
        if (data || !writable) {
            alignas(64) static const std::byte zeros[dsm::page_size]{};
            uffdio_copy copy{};
            copy.dst = at;
            copy.src = reinterpret_cast<std::uint64_t>(data ? data + done : zeros);
            copy.len = data ? step : dsm::page_size;
            copy.mode = writable ? 0 : UFFDIO_COPY_MODE_WP;
            error = control(UFFDIO_COPY, &copy);
            placed = copy.copy;
        } else {
            uffdio_zeropage zero{};
            zero.range = {at, step};
            error = control(UFFDIO_ZEROPAGE, &zero);
            placed = zero.zeropage;
        }
        if (placed > 0) {
            done += static_cast<std::uint64_t>(placed);
            if (step > size - done) step = size - done;
        } else if (error == -e_noent && step > dsm::page_size) {
            step = dsm::page_size;
        } else if (error == -sys::e_exist) {
            die_at("a page that should be missing is there", at);
        } else if (error != -sys::e_again && error != 0) {
            die_at("a page cannot be put in place", at, error);
        }
    }
    if (observe::on()) observe::resolved(page, count);
}

void Port::upgrade(dsm::Page page, unsigned count) {
    change_protection(page, count, 0);
    if (observe::on()) observe::resolved(page, count);
}

void Port::protect(dsm::Page page, unsigned count) {
    if (const long error = change_protection(page, count, UFFDIO_WRITEPROTECT_MODE_WP); error != 0)
        die("a page cannot be protected", error);
}

void Port::copy(dsm::Page page, unsigned count, std::byte* out) {
    const std::size_t size = std::size_t{count} << dsm::page_shift;
    const struct {
        std::uint64_t base, length;
    } here{reinterpret_cast<std::uint64_t>(out), size}, there{address_of(page), size};
    if (sys::call_with(__NR_process_vm_readv, sys::call(__NR_getpid), &here, 1, &there, 1, 0) ==
        static_cast<long>(size))
        return;
    // The program may not read it (PROT_NONE); the file may.
    if (sys::call_with(__NR_pread64, memory_file, out, size, address_of(page)) !=
        static_cast<long>(size))
        die("a page cannot be read");
}

void Port::drop(dsm::Page page, unsigned count) {
    // Also of memory that the program has locked, which MADV_DONTNEED would leave where it is.
    const std::uint64_t at = address_of(page), size = std::uint64_t{count} << dsm::page_shift;
    if (const long error = sys::call_with(__NR_madvise, at, size, sys::madv_dontneed_locked);
        error != 0)
        die_at("a page cannot be given up", at, error);
}

void Port::wake(dsm::Page page) {
    memory::wake(address_of(page), address_of(page) + dsm::page_size);
    if (observe::on()) observe::resolved(page, 1);
}

std::byte* Port::buffer() { return page_buffer; }

void Port::send(dsm::Node node, const wire::Frame& frame, const std::byte* data) {
    links[node].send(frame, data);
    if (observe::on() && process.home && frame.type != wire::Type::grant)
        observe::taken(node, dsm::page_of(frame.a), static_cast<unsigned>(frame.b));
}

void* Port::allocate() { return arena::allocate_page(); }
void Port::free(void* block) { arena::free_page(block); }

bool Port::home_has(dsm::Page page) {
    std::uint64_t entry = 0;
    sys::call_with(__NR_pread64, pagemap_file, &entry, sizeof entry, page * sizeof entry);
    return (entry & pagemap_present) != 0;
}

dsm::Mapping Port::mapping(dsm::Page page) {
    const Range range = watched.around(address_of(page));
    return {range.begin >> dsm::page_shift, range.end >> dsm::page_shift};
}

void Port::gathered(std::uint64_t) { gather_sequence.advance(); }

long open(int device) {
    const long descriptor = sys::call(__NR_ioctl, device, static_cast<long>(USERFAULTFD_IOC_NEW),
                                      sys::o_cloexec | sys::o_nonblock);
    sys::call(__NR_close, device);
    if (sys::failed(descriptor)) return descriptor;
    process.userfault = hide_descriptor(static_cast<int>(descriptor));
    uffdio_api api{};
    api.api = UFFD_API;
    // Who waits, and for what byte, is of use to observe.cpp.
    api.features =
        UFFD_FEATURE_PAGEFAULT_FLAG_WP | UFFD_FEATURE_THREAD_ID | UFFD_FEATURE_EXACT_ADDRESS;
    if (const long error = control(UFFDIO_API, &api); error != 0) return error;
    const long mem = open_mine("/proc/self/mem", 0), map = open_mine("/proc/self/pagemap", 1);
    if (sys::failed(mem) || sys::failed(map)) return sys::failed(mem) ? mem : map;
    memory_file = hide_descriptor(static_cast<int>(mem));
    pagemap_file = hide_descriptor(static_cast<int>(map));
    if (!page_buffer)
        page_buffer = static_cast<std::byte*>(arena::allocate(dsm::max_run * dsm::page_size));
    if (!page_buffer || !watched.open()) return -sys::e_nomem;
    dsm::Config config;
    if (process.home)
        new (home_storage) Home(Port{}, config);
    else
        new (remote_storage) Remote(Port{}, config);
    return 0;
}

void close() {
    for (int* descriptor : {&process.userfault, &memory_file, &pagemap_file})
        if (*descriptor >= 0) {
            sys::call(__NR_close, *descriptor);
            *descriptor = -1;
        }
    for (unsigned node = 1; node < process.nodes; ++node)
        if (process.body_on[node]) sys::call(__NR_close, links[node].descriptor());
    watched.clear();
    // Both as some other thread of the parent may have left them.
    space_lock = Lock{};
    Link::collect = false;
}

Lock& lock() { return space_lock; }
Home& home() { return *reinterpret_cast<Home*>(home_storage); }
Remote& remote() { return *reinterpret_cast<Remote*>(remote_storage); }
Ranges& ranges() { return watched; }
Link& link(unsigned node) { return links[node]; }
Sequence& gathers() { return gather_sequence; }

void Batch::end() {
    if (!Link::collect) return;
    Link::collect = false;
    if (!process.home) return links[0].flush();
    for (unsigned node = 1; node < process.nodes; ++node)
        if (process.body_on[node]) links[node].flush();
}

long watch(std::uint64_t begin, std::uint64_t end) {
    uffdio_register what{};
    what.range = {begin, end - begin};
    what.mode = UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_WP;
    const long error = control(UFFDIO_REGISTER, &what);
    if (error == 0 && !watched.add(begin, end)) return -sys::e_nomem;
    return error;
}

void unwatch(std::uint64_t begin, std::uint64_t end) {
    for (std::uint64_t at = begin;;) {
        const Range range = watched.first_in(at, end);
        if (range.begin >= range.end) break;
        // Linux before 6.1 leaves write protection behind when it unregisters. A call must not
        // cross what is no longer mapped as one: then piece by piece is the kernel's own affair
        // below.
        uffdio_writeprotect change{{range.begin, range.end - range.begin}, 0};
        control(UFFDIO_WRITEPROTECT, &change);
        uffdio_range whole{range.begin, range.end - range.begin};
        control(UFFDIO_UNREGISTER, &whole);
        at = range.end;
    }
    watched.remove(begin, end);
}

void unwatch_all() { unwatch(0, ~0UL); }

void wake(std::uint64_t begin, std::uint64_t end) {
    uffdio_range range{begin, end - begin};
    control(UFFDIO_WAKE, &range);
}

void check(dsm::Status status) {
    if (status != dsm::Status::ok) die(dsm::describe(status));
}

}  // namespace holon::ssi::memory

// SPDX-License-Identifier: GPL-2.0-or-later
//
// The system calls that change the address space.
#include "ssi/runtime/calls.h"
#include "ssi/runtime/clock.h"
#include "ssi/runtime/layout.h"
#include "ssi/runtime/space_state.h"

namespace holon::ssi::space {
namespace {

constexpr long mremap_fixed = 2, mremap_dontunmap = 4;
constexpr std::uint64_t user_end = 0x7fff'ffff'f000;

bool valid(std::uint64_t address, std::uint64_t length) {
    return (address & 4095) == 0 && address < user_end && length <= user_end - address;
}

/// Discards [begin, end) everywhere, does `change` at home in between, and says what the pages are
/// afterwards. Under the change lock.
template <typename Change>
long replace(std::uint64_t begin, std::uint64_t end, wire::Type type, dsm::Afterwards afterwards,
             dsm::Held held, Change change) {
    if (!process.armed) {
        if (type == wire::Type::unmap) {
            state.files.remove(begin, end);
            state.shared.remove(begin, end);
        }
        return change();
    }
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
        state.files.remove(begin, end);
        state.shared.remove(begin, end);
    }
    memory::check(memory::home().finish_discard(first, last, afterwards, held, agent_clock()));
    memory::wake(begin, end);
    return result;
}

/// What is only at home was moved, or has another size or a second address.
void moved_shared(std::uint64_t from, std::uint64_t old_size, std::uint64_t to,
                  std::uint64_t new_size) {
    if (old_size != 0) {
        state.shared.remove(from, from + old_size);
        if (process.armed) {
            Holding holding(memory::lock());
            tell(wire::Type::unmap, from, old_size, nullptr, 0, true);
        }
        wait_for_answers();
    }
    adopt_shared(to, to + new_size);
}

}  // namespace

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

    Holding change(state.change);
    if ((flags & sys::map_fixed) != 0 && process.armed) {
        // What is there goes before the kernel can refuse: it is asked beforehand, elsewhere.
        const long probe = sys::call_with(__NR_mmap, 0, length, prot,
                                          flags & ~static_cast<long>(sys::map_fixed), fd, offset);
        if (sys::failed(probe)) return probe;
        sys::call_with(__NR_munmap, probe, length);
    }
    const auto native = [&] {
        return sys::call_with(__NR_mmap, address, length, prot, flags, fd, offset);
    };
    const long result = (flags & sys::map_fixed) != 0
                            ? replace(address, address + size, wire::Type::unmap,
                                      dsm::Afterwards::unknown, dsm::Held::drop, native)
                            : native();
    if (sys::failed(result)) return result;
    const auto begin = static_cast<std::uint64_t>(result);
    if (!isprivate)
        adopt_shared(begin, begin + size);
    else if (anonymous)
        adopt_anonymous(begin, begin + size, static_cast<int>(prot));
    else
        adopt_file(begin, begin + size, static_cast<int>(prot));
    return result;
}

long unmap(std::uint64_t address, std::uint64_t length) {
    const std::uint64_t size = page_up(length);
    if (!valid(address, size) || size == 0 || in_runtime(address, address + size))
        return -sys::e_inval;
    Holding change(state.change);
    return replace(address, address + size, wire::Type::unmap, dsm::Afterwards::unknown,
                   dsm::Held::drop, [&] { return sys::call_with(__NR_munmap, address, length); });
}

long protect(std::uint64_t address, std::uint64_t length, long prot, long key) {
    const std::uint64_t size = page_up(length);
    if ((address & 4095) != 0) return -sys::e_inval;
    if (length == 0) return 0;
    if (size == 0 || !valid(address, size) || in_runtime(address, address + size))
        return -sys::e_nomem;
    Holding change(state.change);
    if ((prot & sys::prot_write) != 0) {
        // A file's page that may now be written is the engine's to move.
        for (;;) {
            const Range file = state.files.first_in(address, address + size);
            if (file.begin >= file.end) break;
            if (!state.maps.read()) die("/proc/self/maps cannot be read");
            Mapping mapping;
            while (state.maps.next(mapping)) {
                if (mapping.end <= file.begin || mapping.begin >= file.end) continue;
                if (mapping.begin < file.begin) mapping.begin = file.begin;
                if (mapping.end > file.end) mapping.end = file.end;
                if (mapping.shared) {
                    keep_file_at_home(mapping);
                    continue;
                }
                if (const long error = make_anonymous(mapping); sys::failed(error)) return error;
                if (mapping.begin < mapping.end)
                    adopt_anonymous(mapping.begin, mapping.end, mapping.prot);
            }
            state.files.remove(file.begin, file.end);
        }
    }
    const long result = key < 0 ? sys::call_with(__NR_mprotect, address, length, prot)
                                : sys::call_with(__NR_pkey_mprotect, address, length, prot, key);
    if (!process.armed) return result;
    if (result != 0) {
        // What lies before the page that was refused has changed all the same.
        if (!state.maps.read()) die("/proc/self/maps cannot be read");
        Mapping mapping;
        while (state.maps.next(mapping)) {
            if (mapping.end <= address || mapping.begin >= address + size) continue;
            const std::uint64_t begin = mapping.begin > address ? mapping.begin : address;
            const std::uint64_t end = mapping.end < address + size ? mapping.end : address + size;
            const auto present = static_cast<std::uint32_t>(mapping.prot);
            Holding holding(memory::lock());
            tell(wire::Type::protect, begin, end - begin, &present, sizeof present, true);
        }
        wait_for_answers();
        return result;
    }
    {
        Holding holding(memory::lock());
        const auto wanted = static_cast<std::uint32_t>(prot);
        // What is only at home is a hole elsewhere, at which the kernel there would stop.
        for (std::uint64_t at = address; at < address + size;) {
            const Range hole = state.shared.first_in(at, address + size);
            const std::uint64_t end = hole.begin < hole.end ? hole.begin : address + size;
            if (at < end) tell(wire::Type::protect, at, end - at, &wanted, sizeof wanted, true);
            at = hole.begin < hole.end ? hole.end : end;
        }
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
            Holding change(state.change);
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
    Holding change(state.change);
    const std::uint64_t old_size = page_up(old_length), new_size = page_up(new_length);
    // A length of 0 makes a second mapping of what is shared.
    const std::uint64_t at_least_one = old_size != 0 ? old_size : 4096;
    if (!process.armed) {
        const long result = native();
        if (!sys::failed(result) && state.files.touches(address, address + old_size)) {
            state.files.remove(address, address + old_size);
            state.files.add(static_cast<std::uint64_t>(result),
                            static_cast<std::uint64_t>(result) + new_size);
        }
        if (!sys::failed(result) && state.shared.touches(address, address + at_least_one))
            moved_shared(address, old_size, static_cast<std::uint64_t>(result), new_size);
        return result;
    }
    if ((address & 4095) == 0 && state.shared.touches(address, address + at_least_one)) {
        if ((flags & mremap_fixed) != 0) {
            if (!valid(target, new_size) || new_size == 0 || in_runtime(target, target + new_size))
                return -sys::e_inval;
            replace(target, target + new_size, wire::Type::unmap, dsm::Afterwards::unknown,
                    dsm::Held::drop, [] { return 0L; });
        }
        const long result = native();
        if (!sys::failed(result))
            moved_shared(address, old_size, static_cast<std::uint64_t>(result), new_size);
        return result;
    }
    if (!valid(address, old_size) || new_size == 0 || old_size == 0 ||
        (flags & mremap_dontunmap) != 0 || state.files.touches(address, address + old_size))
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
    Holding holding(memory::lock());
    memory::home().discard(first, last);
    // Not moved as it is: the kernel may join the moved mapping to a neighbour that is watched,
    // too, and then takes the userfaultfd from both (mremap_userfaultfd_prep, Linux 6.18).
    memory::unwatch(address, address + old_size);
    const long result = native();
    memory::check(memory::home().finish_discard(first, last, dsm::Afterwards::unknown,
                                                dsm::Held::drop, agent_clock()));
    // What is there now, be it that the kernel refused, perhaps after it had taken the end away.
    const std::uint64_t begin = sys::failed(result) ? address : static_cast<std::uint64_t>(result);
    const std::uint64_t end = begin + (sys::failed(result) ? old_size : new_size);
    if (!state.maps.read()) die("/proc/self/maps cannot be read");
    Mapping each;
    while (state.maps.next(each)) {
        if (each.end <= begin || each.begin >= end) continue;
        if (each.begin < begin) each.begin = begin;
        if (each.end > end) each.end = end;
        if (const long error = memory::watch(each.begin, each.end); error != 0)
            die("moved memory cannot be watched", error);
        announce_anonymous(each.begin, each.end, each.prot);
    }
    memory::wake(address, address + old_size);
    return result;
}

namespace {

/// Where the break was at first, at the latest.
std::uint64_t heap_begin(std::uint64_t present) {
    if (!state.maps.read()) return present;
    std::uint64_t begin = present;
    Mapping mapping;
    while (state.maps.next(mapping))
        if (memcmp(mapping.path, "[heap]", 7) == 0 && mapping.begin < begin) begin = mapping.begin;
    return begin;
}

}  // namespace

long brk(std::uint64_t end) {
    Holding change(state.change);
    const auto before = static_cast<std::uint64_t>(sys::call(__NR_brk, 0));
    if (end == 0 || end == before) return static_cast<long>(before);
    const std::uint64_t old_end = page_up(before), new_end = page_up(end);
    // The kernel refuses to go below the heap's beginning: nothing must be given up for that.
    if (new_end < old_end && end < heap_begin(before)) return static_cast<long>(before);
    if (new_end < old_end)
        return replace(new_end, old_end, wire::Type::unmap, dsm::Afterwards::unknown,
                       dsm::Held::drop, [&] { return sys::call_with(__NR_brk, end); });
    const long result = sys::call_with(__NR_brk, end);
    if (static_cast<std::uint64_t>(result) >= end && new_end > old_end)
        adopt_anonymous(old_end, new_end, sys::prot_read | sys::prot_write);
    return result;
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

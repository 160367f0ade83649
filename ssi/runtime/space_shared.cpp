// SPDX-License-Identifier: GPL-2.0-or-later
//
// Memory shared with other processes, or with this one under another address: shared anonymous
// memory, System V segments, files mapped to be written. What is in it changes without the engine,
// so it is not the engine's to copy: it stays at home, the nodes have a hole there, and a body that
// touches it goes home, where its instruction finds what every other process finds. So does one
// that touches a private mapping beyond the end of its file.
#include "ssi/runtime/space_state.h"

namespace holon::ssi::space {
namespace {

bool same_file(const Mapping& a, const Mapping& b) {
    return a.file && b.file && a.inode == b.inode && a.device == b.device;
}

/// The file of a mapping that is only read is written through another.
bool written_elsewhere(const Mapping& mapping) {
    Maps all = state.maps;
    all.rewind();
    Mapping each;
    while (all.next(each))
        if (each.shared && same_file(each, mapping) &&
            ((each.prot & sys::prot_write) != 0 || state.shared.touches(each.begin, each.end)))
            return true;
    return false;
}

}  // namespace

bool home_only(const Mapping& mapping) {
    return mapping.shared &&
           (!mapping.file || (mapping.prot & sys::prot_write) != 0 ||
            state.shared.touches(mapping.begin, mapping.end) || written_elsewhere(mapping));
}

void keep_at_home(const Mapping& mapping) {
    if (!state.shared.add(mapping.begin, mapping.end)) die("no memory");
    state.files.remove(mapping.begin, mapping.end);
    if (!process.armed) return;
    const MapRequest request{static_cast<std::uint32_t>(mapping.prot), MapRequest::only_at_home, 0,
                             0, 0};
    Holding holding(memory::lock());
    tell(wire::Type::map, mapping.begin, mapping.end - mapping.begin, &request, sizeof request,
         false);
}

void keep_file_at_home(const Mapping& mapping) {
    keep_at_home(mapping);
    Maps all = state.maps;
    all.rewind();
    Mapping each;
    while (all.next(each))
        if (each.shared && same_file(each, mapping) && state.files.touches(each.begin, each.end))
            keep_at_home(each);
}

void adopt_shared(std::uint64_t begin, std::uint64_t end) {
    if (!state.maps.read()) die("/proc/self/maps cannot be read");
    Mapping mapping;
    while (state.maps.next(mapping)) {
        if (mapping.end <= begin || mapping.begin >= end) continue;
        if (mapping.begin < begin) {
            mapping.offset += begin - mapping.begin;
            mapping.begin = begin;
        }
        if (mapping.end > end) mapping.end = end;
        // One call made it, so it is one mapping.
        if (!mapping.shared) return keep_at_home(mapping);
        if (home_only(mapping)) return keep_file_at_home(mapping);
        return adopt_file(mapping.begin, mapping.end, mapping.prot);
    }
}

}  // namespace holon::ssi::space

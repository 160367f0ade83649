// SPDX-License-Identifier: GPL-2.0-or-later
//
// How the nodes come to have the same mappings as the home, and which of them are memory under the
// engine.
#include "ssi/runtime/space_state.h"

#include "ssi/runtime/calls.h"
#include "ssi/runtime/file_identity.h"
#include "ssi/runtime/layout.h"

namespace holon::ssi::space {

State state;
FileMap file_map;

bool in_runtime(std::uint64_t begin, std::uint64_t end) {
    return begin < layout::range_end + layout::page_size && end > layout::range_begin;
}

void tell(wire::Type type, std::uint64_t address, std::uint64_t length, const void* payload,
          std::size_t size, bool answer) {
    const wire::Frame frame{static_cast<std::uint32_t>(size), type, 0, address, length, 0};
    for (unsigned node = 1; node < process.nodes; ++node)
        if (process.body_on[node]) {
            memory::link(node).send(frame, payload);
            if (answer) ++state.asked[node];
        }
}

long wait_for_answers() {
    long error = 0;
    for (unsigned node = 1; node < process.nodes; ++node)
        if (process.body_on[node]) {
            state.answered[node].wait_for(state.asked[node]);
            if (state.last_error[node] != 0 && error == 0) error = state.last_error[node];
            state.last_error[node] = 0;
        }
    return error;
}

constexpr long mremap_maymove = 1, mremap_fixed = 2;

long make_anonymous(Mapping& mapping) {
    const std::uint64_t size = mapping.end - mapping.begin;
    const long copy = sys::call_with(__NR_mmap, 0, size, sys::prot_read | sys::prot_write,
                                     sys::map_private | sys::map_anonymous, -1, 0);
    if (sys::failed(copy)) return copy;
    const bool readable = (mapping.prot & sys::prot_read) != 0;
    if (!readable)
        if (const long error = sys::call_with(__NR_mprotect, mapping.begin, size, sys::prot_read);
            error != 0) {
            sys::call_with(__NR_munmap, copy, size);
            return error;
        }
    // Past the file's end there is nothing to read.
    std::uint64_t done = 0;
    const auto read = [&](std::uint64_t count) {
        return copy_in(reinterpret_cast<void*>(copy + static_cast<long>(done)),
                       mapping.begin + done, count) == 0;
    };
    if (read(size)) done = size;
    while (done < size && read(4096)) done += 4096;
    const std::uint64_t beyond = size - done;
    if (!readable && beyond != 0)
        sys::call_with(__NR_mprotect, mapping.begin + done, beyond, mapping.prot);
    if (beyond != 0) {
        sys::call_with(__NR_munmap, copy + static_cast<long>(done), beyond);
        Mapping rest = mapping;
        rest.begin += done;
        rest.offset += done;
        keep_at_home(rest);
        mapping.end = rest.begin;
    }
    if (done == 0) return 0;
    if (mapping.prot != (sys::prot_read | sys::prot_write))
        sys::call_with(__NR_mprotect, copy, done, mapping.prot);
    return sys::call_with(__NR_mremap, copy, done, done, mremap_maymove | mremap_fixed,
                          mapping.begin);
}

std::size_t FileMap::describe(const Mapping& mapping) {
    FileIdentity identity;
    const std::size_t length = strlen(mapping.path) + 1;
    if (length > sizeof path || !identify(mapping.path, identity)) return 0;
    request = {static_cast<std::uint32_t>(mapping.prot), MapRequest::from_file, mapping.offset,
               identity.size, identity.modified};
    memcpy(path, mapping.path, length);
    return sizeof request + length;
}

void announce_anonymous(std::uint64_t begin, std::uint64_t end, int prot) {
    const MapRequest request{static_cast<std::uint32_t>(prot), MapRequest::under_engine, 0, 0, 0};
    tell(wire::Type::map, begin, end - begin, &request, sizeof request, false);
}

void adopt_anonymous(std::uint64_t begin, std::uint64_t end, int prot) {
    if (!process.armed) return;
    Holding holding(memory::lock());
    if (const long error = memory::watch(begin, end); error != 0)
        die("new memory cannot be watched", error);
    announce_anonymous(begin, end, prot);
}

namespace {

/// Tells all nodes to map the same file. False: some node has not got it.
bool announce_file(const Mapping& mapping) {
    const std::size_t size = file_map.describe(mapping);
    if (size == 0) return false;
    {
        Holding holding(memory::lock());
        tell(wire::Type::map, mapping.begin, mapping.end - mapping.begin, &file_map, size, true);
    }
    return wait_for_answers() == 0;
}

}  // namespace

void serve_file_from_home(Mapping mapping) {
    {
        Holding holding(memory::lock());
        state.files.remove(mapping.begin, mapping.end);
    }
    if (const long error = make_anonymous(mapping); sys::failed(error))
        die("a file's mapping cannot be copied", error);
    if (mapping.begin == mapping.end) return;
    Holding holding(memory::lock());
    if (const long error = memory::watch(mapping.begin, mapping.end); error != 0)
        die("a file's copy cannot be watched", error);
    announce_anonymous(mapping.begin, mapping.end, mapping.prot);
}

void adopt_file(std::uint64_t begin, std::uint64_t end, int prot) {
    // The kernel's table knows the file's name.
    if (!state.maps.read()) die("/proc/self/maps cannot be read");
    Maps maps = state.maps;
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
            if (mapping.begin < mapping.end) adopt_anonymous(mapping.begin, mapping.end, prot);
            continue;
        }
        state.files.add(mapping.begin, mapping.end);
        if (!process.armed || announce_file(mapping)) continue;
        if (mapping.shared)
            keep_at_home(mapping);
        else
            serve_file_from_home(mapping);
    }
}

}  // namespace holon::ssi::space

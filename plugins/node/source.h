// SPDX-License-Identifier: GPL-2.0-or-later
// A checkpoint as what a run's VMs come from. All is read with the rights of the job's user, by
// holon-checkpoint; nothing of it is believed before it was checked
// (plugins/checkpoint/manifest.h). All functions block, and throw holon::Error.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "plugins/checkpoint/manifest.h"
#include "plugins/os/process.h"
#include "plugins/vm/vm.h"

namespace holon::node {

struct Source {
    std::filesystem::path folder;  // of this one checkpoint
    checkpoint::Manifest manifest;
};

// The newest of JOB's below DIR of which every byte is as it was written, and what is wrong with
// each newer one. No value: there is none at all. Throws where there are, but no good one.
struct Newest {
    Source source;
    std::vector<std::string> refused;
};
std::optional<Newest> newest_source(const os::Identity& user, const std::filesystem::path& dir,
                                    std::uint32_t job);
// This one, every byte of which is checked.
Source verified_source(const os::Identity& user, const std::filesystem::path& folder);
// This one, which another node has checked.
Source read_source(const os::Identity& user, const std::filesystem::path& folder);

// Why the VM SAVED cannot go on in MACHINE on this node; empty: it can.
std::string cannot_go_on(vm::Hypervisor& hypervisor, const checkpoint::SavedVm& saved,
                         const vm::Machine& machine);
// A saved disk as the file TO, which must not be there yet and becomes the user's.
void unpack_disk(const os::Identity& user, const Source& source, const checkpoint::SavedVm& saved,
                 const std::filesystem::path& to);
// Into the domain, which was created with Machine::restored.
void load_memory(vm::Hypervisor& hypervisor, const std::string& domain, const os::Identity& user,
                 const Source& source, const checkpoint::SavedVm& saved);

}  // namespace holon::node

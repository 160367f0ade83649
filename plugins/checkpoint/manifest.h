// SPDX-License-Identifier: GPL-2.0-or-later
// The manifest: what one checkpoint of a VM job consists of, and all that is needed to go on from
// it on other nodes. docs/checkpoint-format.md describes the file. Pure; any thread.
//
// It lies in a folder of the job's user, who may have changed it: reading checks every field, and
// nothing in it gives more than the user has. Machines are made anew from plan and hardware, each
// checked; no device, path or command of a manifest is ever used by root.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "plugins/plan/plan.h"
#include "plugins/spec/spec.h"

namespace holon::checkpoint {

inline constexpr std::uint32_t manifest_version = 1;
inline constexpr std::size_t longest_manifest = 16u << 20;  // bytes
inline constexpr std::size_t most_sessions = 65536;
inline constexpr std::uint32_t most_number = 999'999'999;  // of a checkpoint

// How the memory was saved; the later ones stand for what the earlier could not do.
enum class Method {
    background,  // the VM ran on while its memory was written
    precopy,     // memory was written while it ran, the rest while it stood
    stopped      // it stood all the while
};
const char* to_string(Method method);
Method method(const std::string& text);  // throws where there is none of that name

// One file of a checkpoint, in the form of part.h.
struct Part {
    std::string file;           // a plain name, in the checkpoint's folder
    std::uint64_t bytes = 0;    // on disk
    std::uint64_t content = 0;  // bytes after unpacking
    std::string xxh3;           // XXH3-128 of the file's bytes, 32 hexadecimal digits
    bool operator==(const Part&) const = default;
};

// The machine as the guest knows it, beyond what the plan says. A VM can only go on in one that is
// the same.
struct Hardware {
    std::uint32_t layout = 0;  // vm::hardware_layout: which devices, at which places
    std::string machine;       // QEMU's versioned name, "pc-i440fx-7.2"
    bool kvm = false;
    std::string cpu;       // libvirt's model; "host" (KVM) or "max" (TCG) without one
    std::string host_cpu;  // the processor's name, which "host" depends on
    std::string qemu;      // version, "7.2.22"
    bool operator==(const Hardware&) const = default;
};

struct SavedVm {
    plan::Vm vm;  // as its own node planned it
    Hardware hardware;
    Part memory;
    std::optional<Part> disk;  // none: the image has no disk
};

// How far one output stream of a session had come at the cut.
struct SavedStream {
    std::string name;          // "out" or "err"
    std::uint64_t offset = 0;  // bytes of it that were written before the cut
    // The regular file they went to: its identity and its length at the cut. Without one,
    // `excluded` says why the output cannot be continued byte for byte ("a pipe").
    struct File {
        std::uint64_t device = 0, inode = 0, length = 0;
        bool operator==(const File&) const = default;
    };
    std::optional<File> file;
    std::string excluded;
    bool operator==(const SavedStream&) const = default;
};

struct SavedSession {
    std::uint64_t id = 0;
    std::uint32_t vm = 0;  // index
    std::string step;      // "batch", "interactive" or the step's number
    std::vector<SavedStream> streams;
    bool operator==(const SavedSession&) const = default;
};

struct Manifest {
    std::uint32_t number = 0;  // of this checkpoint, from 1 on for each job
    std::int64_t time = 0;     // of the cut, seconds since the epoch
    std::string holon;         // the release that wrote it
    std::string user;
    std::uint32_t uid = 0, gid = 0;
    Method method = Method::background;
    std::uint64_t pause_us = 0;  // from the first VM that stood to the last that ran again
    std::string image;           // name
    std::string image_identity;  // image::Image::identity
    spec::Spec spec;
    plan::Plan plan;           // with each VM as its own node planned it; plan.job is the job's
    std::vector<SavedVm> vms;  // by index
    std::vector<SavedSession> sessions;

    std::uint64_t bytes() const;  // of all parts
};

// Canonical JSON, one line, with a checksum of itself.
std::string to_json(const Manifest& manifest);
// Throws holon::Error, one line: "manifest: vms[1].memory.bytes: not a whole number up to …".
Manifest from_json(std::string_view text);

// What nodes tell the head of their VMs and sessions has the same form.
std::string to_json(const SavedVm& vm);
SavedVm saved_vm_from_json(std::string_view text);
std::string to_json(const SavedSession& session);
SavedSession saved_session_from_json(std::string_view text);

}  // namespace holon::checkpoint

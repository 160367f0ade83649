// SPDX-License-Identifier: GPL-2.0-or-later
// Saving a running VM: its memory to a pipe, its disk to a copy, both as they were at one instant,
// which the caller chooses for all VMs of a job together.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "plugins/os/fd.h"
#include "plugins/vm/vm.h"

namespace holon::vm {

// background: the VM runs on while its memory is written: QEMU's background snapshot (7.2 and
// newer)
//   protects the pages and writes one before the guest changes it. Needs
//   vm.unprivileged_userfaultfd=1, for QEMU is the user's.
// stopped: the VM stands until all is written.
// (QEMU has a third way, precopy, which was seen to miss pages that an emulated CPU had changed.)
enum class SaveMethod { background, stopped };

// The pipe for one save. It bears a name by which its ends are known again among what a QEMU has
// open (/proc/<pid>/fd), though it is in no folder any more.
struct SavePipe {
    os::Fd reader, writer;
    explicit SavePipe(const std::filesystem::path& folder);
};

// One save of one VM. The steps in their order, each blocking, any thread, one at a time:
//
//   prepare()  what can be done while the VM runs
//   stop()     the VM stands; nothing of it moves any more
//   …          the caller waits until all VMs of the job stand: that is the cut
//   go_on()    the VM runs again
//   finish()   memory and disk are written, QEMU has closed the pipe
//
// Of a VM that is to stay as it is saved (SaveRequest::stay) go_on() writes, and it stands after.
//
// A step that throws leaves nothing saved; abort(), which the destructor calls where finish() did
// not return, lets the VM run on as if nothing had been. Whoever reads the pipe must have ended by
// then, or cancel() was called: QEMU may wait for it.
class Save {
  public:
    virtual ~Save() = default;
    // Of a SavePipe from whose reader somebody reads; QEMU gets copies. Of a background save it
    // gets both ends, so that the pipe never breaks under it, whoever dies: a guest whose memory is
    // protected would stand for good.
    virtual void prepare(int reader, int writer) = 0;
    virtual void stop() = 0;
    virtual void go_on() = 0;
    virtual void finish() = 0;
    virtual void abort() noexcept = 0;
    // Known once it is prepared; and why it is not the one that was wanted, or "".
    virtual SaveMethod method() const = 0;
    virtual const std::string& reason() const = 0;
    // From another thread: a step that is running, or the next one, throws soon.
    virtual void cancel() noexcept = 0;
    // Bytes of the VM's memory that are really there, an upper bound of what will come.
    virtual std::uint64_t resident() const = 0;
};

}  // namespace holon::vm

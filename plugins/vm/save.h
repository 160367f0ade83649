// SPDX-License-Identifier: GPL-2.0-or-later
// Saving a running VM: its memory to a pipe, its disk to a copy, both as they were at one instant,
// which the caller chooses for all VMs of a job together.
#pragma once

#include <cstdint>

#include "plugins/vm/vm.h"

namespace holon::vm {

// One save of one VM, which stands while memory and disk are written. (QEMU 7.2 knows ways for
// which it stands less long. Of these one leaves the guest standing for good where the pipe breaks,
// and the other missed pages of emulated CPUs: both were seen, and neither is used.) The steps in
// their order, each blocking, any thread, one at a time:
//
//   prepare()  what can be done while the VM runs
//   stop()     the VM stands; nothing of it moves any more
//   …          the caller waits until all VMs of the job stand: that is the cut
//   go_on()    memory and disk are written, QEMU has closed the pipe, the VM runs again
//
// A step that throws leaves nothing saved; abort(), which the destructor calls where go_on() did
// not return, lets the VM run on as if nothing had been. Whoever reads the pipe must have ended by
// then: QEMU may wait for it.
class Save {
  public:
    virtual ~Save() = default;
    // STREAM: the write end of a pipe that somebody reads; QEMU gets a copy.
    virtual void prepare(int stream) = 0;
    virtual void stop() = 0;
    virtual void go_on() = 0;
    virtual void abort() noexcept = 0;
    // From another thread: a step that is running, or the next one, throws soon.
    virtual void cancel() noexcept = 0;
    // Bytes of the VM's memory that are really there, an upper bound of what will come.
    virtual std::uint64_t resident() const = 0;
};

}  // namespace holon::vm

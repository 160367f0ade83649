// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <sys/types.h>

#include <atomic>
#include <string>

#include "plugins/vm/monitor.h"
#include "plugins/vm/save.h"

namespace holon::vm {

// The Save of a libvirt domain. What it has asked of QEMU so far is remembered, so that abort() can
// take back exactly that.
class DomainSave : public Save {
  public:
    DomainSave(Connection& connection, SaveRequest request, pid_t qemu);
    ~DomainSave() override;

    void prepare(int stream) override;
    void stop() override;
    void go_on() override;
    void abort() noexcept override;
    void cancel() noexcept override { cancelled_ = true; }
    std::uint64_t resident() const override;
    // What a daemon that died in mid-save left in QEMU.
    void forget_leftovers() noexcept;

  private:
    Monitor monitor_;
    SaveRequest request_;
    pid_t qemu_;
    bool given_ = false;    // QEMU has the pipe
    bool begun_ = false;    // a migration was begun
    bool stopped_ = false;  // the VM was stopped by us
    bool copying_ = false;  // the disk's copy is open in QEMU
    bool over_ = false;     // it runs again
    std::atomic<bool> cancelled_{false};

    bool is_finalized() const;
    bool is_over() const;
    bool is_written() const;
    bool copy_is_over(bool failure_counts) const;
    void until(const char* what, std::chrono::milliseconds patience,
               const std::function<bool()>& done);
    void copy_disk();
    void forget_copy() noexcept;
};

}  // namespace holon::vm

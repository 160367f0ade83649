// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <sys/types.h>

#include <atomic>
#include <string>

#include "plugins/os/fd.h"
#include "plugins/vm/monitor.h"
#include "plugins/vm/save.h"

namespace holon::vm {

// The Save of a libvirt domain. What it has asked of QEMU so far is remembered, so that abort() can
// take back exactly that.
class DomainSave : public Save {
  public:
    DomainSave(Connection& connection, SaveRequest request, pid_t qemu);
    ~DomainSave() override;

    void prepare(int reader, int writer) override;
    void stop() override;
    void go_on() override;
    void finish() override;
    void abort() noexcept override;
    void cancel() noexcept override;
    std::uint64_t resident() const override;
    SaveMethod method() const override { return method_; }
    const std::string& reason() const override { return reason_; }
    // What a daemon that died in mid-save left in QEMU.
    void forget_leftovers() noexcept;

  private:
    Monitor monitor_;
    SaveRequest request_;
    pid_t qemu_;
    SaveMethod method_ = SaveMethod::stopped;
    std::string reason_;
    std::atomic<int> reader_{-1};  // of a background save
    bool given_ = false;           // QEMU has the pipe
    bool begun_ = false;           // a migration was begun
    bool stopped_ = false;         // the VM was stopped by us
    bool copying_ = false;         // the disk's copy is open in QEMU
    bool over_ = false;            // all is written, and it runs again
    std::atomic<bool> cancelled_{false};

    bool is_finalized() const;
    bool prepare_background(int reader);
    bool is_over() const;
    bool is_written() const;
    bool copy_is_over(bool failure_counts) const;
    void until(const char* what, std::chrono::milliseconds patience,
               const std::function<bool()>& done);
    void end_migration();
    void begin_copy();
    void finish_copy();
    void forget_copy() noexcept;
    void write_to_nowhere() noexcept;
    bool read_leftovers() const;
};

}  // namespace holon::vm

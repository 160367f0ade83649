// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "plugins/node/local_save.h"
#include "plugins/vm/save.h"

namespace holon::node {

// A program that fills one part of a checkpoint, as the job's user (holon-checkpoint write), and
// that is therefore not believed more than the user. What it says is read in the background, until
// it has ended, whoever still wants to know.
class PartWriter : public std::enable_shared_from_this<PartWriter> {
  public:
    PartWriter(Daemon& daemon, std::shared_ptr<Run> run) : daemon_(daemon), run_(std::move(run)) {}

    // INPUT: what goes into the file, given away. Room for RESERVE bytes is taken first. FAILED is
    // called when it has ended with a complaint.
    Task<void> begin(const std::filesystem::path& file, std::uint64_t reserve, os::Fd& input,
                     const std::function<void()>& failed);
    // Until its room is reserved. Throws what the program complained about.
    Task<void> reserved();
    // Until it has ended. Throws what it complained about.
    Task<checkpoint::Part> done();
    void kill();
    bool ended() const { return ended_; }
    const std::string& fault() const { return fault_; }
    std::uint64_t content() const { return content_; }
    std::uint64_t bytes() const { return bytes_; }

  private:
    Daemon& daemon_;
    std::shared_ptr<Run> run_;
    std::unique_ptr<os::Child> child_;
    bool reserved_ = false, ended_ = true;
    std::uint64_t content_ = 0, bytes_ = 0;
    checkpoint::Part part_;
    std::string fault_;
    std::function<void()> failed_;

    Task<void> listen();
    void hear(const std::string& line);
};

// The save of one VM, with the programs that write its parts.
class VmSave {
  public:
    VmSave(LocalSave& whole, LocalVm& vm);
    ~VmSave();

    Task<void> prepare();
    Task<void> stop();
    Task<void> go_on();
    Task<void> finish();
    // After any of them has thrown: the VM runs on, and what wrote for it has ended.
    Task<void> abort();
    // The VM runs, if it stood.
    Task<void> let_run();
    void cancel();  // what is running ends soon, with an error

    const checkpoint::SavedVm& saved() const { return saved_; }
    checkpoint::Method method() const;  // once it is prepared
    std::uint64_t expected() const { return expected_; }
    std::uint64_t content() const { return memory_->content() + disk_->content(); }
    std::uint64_t bytes() const { return memory_->bytes() + disk_->bytes(); }

  private:
    LocalSave& whole_;
    LocalVm& vm_;
    std::string domain_;
    std::shared_ptr<vm::Save> save_;
    std::shared_ptr<PartWriter> memory_, disk_;
    std::filesystem::path disk_copy_;
    checkpoint::SavedVm saved_;
    std::uint64_t expected_ = 0;

    Task<void> written_by(void (vm::Save::*step)());
};

}  // namespace holon::node

// SPDX-License-Identifier: GPL-2.0-or-later
// The terminal that srun --pty gives a task. Its line discipline is switched off while the program
// runs: the one in the VM does the work, so that ^C is a byte here and a signal there.
#pragma once

#include <termios.h>

#include <optional>

#include "spank/run/open_request.h"

namespace holon::run {

class Terminal {
  public:
    Terminal();   // finds out whether standard input and output are one
    ~Terminal();  // puts it back as it was
    Terminal(const Terminal&) = delete;
    Terminal& operator=(const Terminal&) = delete;

    bool present() const { return before_.has_value(); }
    bool raw() const { return raw_; }
    void make_raw();
    void restore();
    OpenRequest::Terminal size() const;

  private:
    std::optional<termios> before_;
    bool raw_ = false;
};

}  // namespace holon::run

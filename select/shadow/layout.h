// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <string>

#include "select/shadow/host.h"

namespace holon::shadow {

// The run-time self-check. Slurm's structures change in micro releases, and a plugin built against
// others loads all the same; what it then takes for a pointer may be anything. So until a job with
// a spec has been seen where the spec belongs, every pointer is followed by a system call that
// fails where a load would crash, and every magic number on the way must be right. Nothing of a job
// or node is used before. The magic numbers are looked at for every job with a spec, always.
class Layout {
  public:
    // The value of HOLON_SPEC in the job's SPANK environment; empty where there is none.
    std::string spec_of(const job_record_t& job) const;
    // Whether JOB, which has a spec, is what this build takes it for. Where it is not, WHY says
    // what was wrong: then nothing may be touched, of any job. An empty WHY: not now.
    bool fits(const Host& host, const job_record_t* job, std::string& why);
    bool proven() const { return proven_; }

  private:
    bool node_fits(const Host& host, std::string& why) const;
    bool proven_ = false;
};

}  // namespace holon::shadow

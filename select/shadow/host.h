// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <cstdint>
#include <optional>

#include "select/shadow/slurm.h"

namespace holon::shadow {

// What of slurmctld's own functions and variables is used. The plugin is also loaded by sinfo,
// squeue and scontrol where they read the controller's slurm.conf; they have not all of these, and
// an unresolved variable would keep them from loading it at all. So nothing is linked: each is
// looked up, and where one is missing the process is not slurmctld and every call is forwarded.
struct Host {
    job_record_t* (*find_job)(std::uint32_t id);
    node_record_t* (*find_node)(char* name);
    int (*test)(bitstr_t*, bitoff_t);
    void (*clear)(bitstr_t*, bitoff_t);
    void (*set)(bitstr_t*, bitoff_t);
    bitoff_t (*size)(bitstr_t*);
    bitstr_t* (*copy)(bitstr_t*);
    void (*copy_bits)(bitstr_t* to, bitstr_t* from);
    void (*free)(bitstr_t**);
    void* (*iterate)(void* list);
    void* (*next)(void* iterator);
    void (*end_iteration)(void* iterator);
    node_record_t*** nodes;
    int* node_count;
    void** jobs;  // List job_list
    slurm_conf_t* conf;

    static std::optional<Host> find();

    node_record_t* node(int index) const { return (*nodes)[index]; }
};

// To slurmctld's log (or a client's stderr).
void log_error(const char* line);
void log_info(const char* line);

// A copy of a bitmap, freed with its owner.
class Bits {
  public:
    Bits(const Host& host, bitstr_t* from) : host_(&host), bits_(host.copy(from)) {}
    ~Bits() {
        if (bits_ != nullptr) host_->free(&bits_);
    }
    Bits(const Bits&) = delete;
    Bits& operator=(const Bits&) = delete;
    bitstr_t* get() const { return bits_; }

  private:
    const Host* host_;
    bitstr_t* bits_;
};

}  // namespace holon::shadow

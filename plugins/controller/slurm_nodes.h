// SPDX-License-Identifier: GPL-2.0-or-later
// Slurm's nodes as the controller's daemon needs them: which hosts may report, and what their
// comments are; and what of Slurm's configuration job_submit has to know. Asked of sinfo and set
// with scontrol, so that holond stays the same binary for every release of Slurm.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "select/site/snapshot.h"

namespace holon::controller {

struct SlurmNode {
    std::string address;  // NodeAddr
    std::string comment;
};
using SlurmNodes = std::map<std::string, SlurmNode>;  // by NodeName

// The output of `sinfo -h -N -O NodeList:256,NodeAddr:256,Comment:512`.
SlurmNodes parse_nodes(std::string_view text);
// Both run a program of Slurm's and throw holon::Error.
SlurmNodes slurm_nodes();
void set_comment(const std::string& node, const std::string& comment);

// The output of `scontrol show config` and of `scontrol -o show partition`.
site::SlurmReport parse_slurm(std::string_view config, std::string_view partitions);
// Runs them; throws holon::Error.
site::SlurmReport slurm_report();

// What each node's comment is to become: WANTED of each, as far as it differs and the comment there
// is empty or Holon's own. A comment of the site is never touched.
std::map<std::string, std::string> comments_to_set(
    const SlurmNodes& nodes, const std::map<std::string, std::string>& wanted);

}  // namespace holon::controller

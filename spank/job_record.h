// SPDX-License-Identifier: GPL-2.0-or-later
// How a step knows that its job runs in VMs: /run/holon/jobs/<job>/ exists. It is world-readable
// and holds
//   spec   the spec without its seed (holond writes it when it takes the job from the prolog)
//   error  one line, where the prolog could not hand the job over: holon-run shows it and fails the
//   job
// A job without the folder is a plain job, and costs one failed stat(2) per task.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace holon::spank {

std::filesystem::path job_folder(std::uint32_t job);
bool is_vm_job(std::uint32_t job);
// False also where the spec cannot be read: the script goes into the VM then.
bool script_stays_on_host(std::uint32_t job);

// From the prolog, as root: makes the job fail, and the node live on. Never throws; false where
// even that failed.
bool record_failure(std::uint32_t job, const std::string& line) noexcept;
bool has_failure(std::uint32_t job);
void remove_record(std::uint32_t job);

}  // namespace holon::spank

// SPDX-License-Identifier: GPL-2.0-or-later
#include "spank/job_record.h"

#include <sys/stat.h>

#include <nlohmann/json.hpp>

#include "plugins/os/error.h"
#include "plugins/os/file.h"
#include "spank/contexts.h"

namespace holon::spank {

std::filesystem::path job_folder(std::uint32_t job) {
    return std::filesystem::path(arguments().jobs_dir) / std::to_string(job);
}

bool is_vm_job(std::uint32_t job) {
    struct stat s {};
    return ::stat(job_folder(job).c_str(), &s) == 0 && S_ISDIR(s.st_mode);
}

bool script_stays_on_host(std::uint32_t job) {
    try {
        auto text = os::read_file_if_exists(job_folder(job) / "spec");
        if (!text) return false;
        auto json = nlohmann::json::parse(*text, nullptr, false);
        return json.is_object() && json.value("script_on_host", false);
    } catch (const std::exception&) {
        return false;
    }
}

bool record_failure(std::uint32_t job, const std::string& line) noexcept {
    try {
        std::filesystem::create_directories(job_folder(job));
        ::chmod(job_folder(job).c_str(), 0755);
        os::write_file_atomically(job_folder(job) / "error", line + "\n", 0644);
        return true;
    } catch (const std::exception& error) {
        slurm_error("holon: job %u: %s", job, error.what());
        return false;
    }
}

bool has_failure(std::uint32_t job) { return std::filesystem::exists(job_folder(job) / "error"); }

void remove_record(std::uint32_t job) { os::remove_tree(job_folder(job)); }

}  // namespace holon::spank

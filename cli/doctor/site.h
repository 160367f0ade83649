// SPDX-License-Identifier: GPL-2.0-or-later
// What several checks need to know of this host and its cluster, found out once.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "plugins/config/config.h"

namespace holon::cli {

struct Site {
    bool root = false;
    std::string host;
    config::Config config;     // the defaults where it cannot be read
    std::string config_error;  // then this says why
    std::map<std::string, std::string>
        slurm;  // "scontrol show config"; empty where it cannot be had
    std::string slurm_error;
    std::string slurm_release;  // "22.05.8"
    std::string node_name;  // under which Slurm knows this host as a node; empty where it does not
    bool controller = false;  // one of Slurm's controllers

    // A key of `scontrol show config`; empty where it is not there or not set.
    std::string slurm_value(const std::string& key) const;
};
Site look_at_host();  // this host alone: nothing is asked of Slurm
Site look_around();

// "Key   = value" lines, sections alike; "(null)" is the empty value.
std::map<std::string, std::string> parse_slurm_config(std::string_view text);
// "slurm-wlm 22.05.8" → "22.05.8"
std::string parse_slurm_release(std::string_view text);
// "Alloc,Contain" → Alloc Contain, without blanks.
std::vector<std::string> split_list(std::string_view text, char separator = ',');
// True where LIST holds WORD, whatever its case.
bool has_word(std::string_view list, std::string_view word);

}  // namespace holon::cli

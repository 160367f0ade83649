// SPDX-License-Identifier: GPL-2.0-or-later
// A check of `holon doctor`: a name, where it makes sense, and a function that looks. A check that
// could not be made says so: it is neither good nor bad.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include "cli/doctor/site.h"

namespace holon::cli {

enum class Verdict { ok, warning, failure, not_checked };

struct Finding {
    Verdict verdict{};
    std::string seen;  // one line: what is there
    std::string mend;  // one line: what to do; empty where there is nothing to
};
Finding good(std::string seen);
Finding warn(std::string seen, std::string mend);
Finding bad(std::string seen, std::string mend);
Finding not_checked(std::string why);

// Where a check makes sense.
enum Role : unsigned { on_node = 1, on_controller = 2, everywhere = 4 };

struct Check {
    const char* name;
    unsigned roles;
    Finding (*look)(const Site&);  // what it throws is a failure with that text
};

// In the order in which they are made: what others rest on comes first.
std::vector<Check> all_checks();
std::vector<Check> host_checks();
std::vector<Check> slurm_checks();
std::vector<Check> node_checks();
std::vector<Check> controller_checks();

struct Result {
    std::string name;
    Finding finding;
};
// Never throws.
Result make(const Check& check, const Site& site);
// "ok    munge         a credential went round", and below a bad one "                    → what to
// do".
std::string to_text(const std::vector<Result>& results);

// Runs WORK in a forked child and returns what it returns; throws Error with what it throws, or
// after TIMEOUT. For what changes the process (namespaces), may crash it (another's shared object)
// or may hang.
std::string in_child(const std::function<std::string()>& work, std::chrono::seconds timeout);

}  // namespace holon::cli

// SPDX-License-Identifier: GPL-2.0-or-later
// Error: the one exception type of Holon. Its text is the line a person reads: what happened, to
// which object, what to do. It is caught at the edge (main, an RPC handler, a C entry point of a
// Slurm plugin), where the edge's own prefix ("holond: job 42: ") is put before it. Nothing else is
// thrown across folders.
#pragma once

#include <fmt/format.h>

#include <stdexcept>
#include <string>

namespace holon {

class Error : public std::runtime_error {
  public:
    explicit Error(const std::string& line) : std::runtime_error(line) {}

    template <typename... Args>
    explicit Error(fmt::format_string<Args...> format, Args&&... args) requires(sizeof...(Args) > 0)
        : std::runtime_error(fmt::format(format, std::forward<Args>(args)...)) {}
};

// "strerror(errno)" as a value; call it before anything that may change errno.
std::string errno_text();
std::string errno_text(int error_number);

}  // namespace holon

// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <chrono>
#include <nlohmann/json.hpp>
#include <string>

namespace holon::cli {

// How far something is that takes a while: a bar with rate and remaining time on a terminal, a line
// now and then elsewhere, each event as it is for programs.
class ProgressLine {
  public:
    enum class Form { terminal, lines, json };
    using Clock = std::chrono::steady_clock;

    explicit ProgressLine(Form form) : form_(form), begun_(Clock::now()) {}
    // EVENT has phase, content and expected (bytes).
    void show(const nlohmann::json& event);
    // What follows begins on a line of its own.
    void end();

  private:
    Form form_;
    Clock::time_point begun_, last_{};
    std::string phase_;
    bool open_ = false;
};

// "[#####     ]  50%  512M of 1.0G, 64M/s, 0:08 left". SECONDS since the first byte.
std::string bar_text(std::uint64_t done, std::uint64_t expected, double seconds);

}  // namespace holon::cli

// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/progress.h"

#include <fmt/format.h>

#include <algorithm>
#include <iostream>

#include "cli/table.h"

namespace holon::cli {
namespace {

constexpr std::size_t bar_width = 30;
constexpr auto between_lines = std::chrono::seconds(5);

}  // namespace

std::string bar_text(std::uint64_t done, std::uint64_t expected, double seconds) {
    // What is expected is an upper bound, and there may be a little more than that.
    const double part =
        expected == 0 ? 0.0
                      : std::min(1.0, static_cast<double>(done) / static_cast<double>(expected));
    const auto filled = static_cast<std::size_t>(part * bar_width);
    std::string text = fmt::format("[{}{}] {:3.0f}%  {} of {}", std::string(filled, '#'),
                                   std::string(bar_width - filled, ' '), part * 100,
                                   bytes_text(done), bytes_text(std::max(done, expected)));
    if (done == 0 || seconds < 0.5) return text;
    const double rate = static_cast<double>(done) / seconds;
    text += fmt::format(", {}/s", bytes_text(static_cast<std::uint64_t>(rate)));
    if (done < expected)
        text +=
            fmt::format(", {} left", duration_text(static_cast<double>(expected - done) / rate));
    return text;
}

void ProgressLine::show(const nlohmann::json& event) {
    if (form_ == Form::json) {
        std::cout << event.dump() << std::endl;
        return;
    }
    const auto now = Clock::now();
    const std::string phase = event.value("phase", "");
    const bool changed = phase != phase_;
    phase_ = phase;
    const auto done = event.value("content", std::uint64_t{0});
    if (done == 0) begun_ = now;
    const std::string bar = bar_text(done, event.value("expected", std::uint64_t{0}),
                                     std::chrono::duration<double>(now - begun_).count());
    if (form_ == Form::terminal) {
        std::cerr << fmt::format("\r\x1b[K{:9} {}", phase, bar) << std::flush;
        open_ = true;
    } else if (changed || now - last_ >= between_lines) {
        std::cerr << phase << (done == 0 ? "" : ": " + bar.substr(bar.find(']') + 2)) << std::endl;
        last_ = now;
    }
}

void ProgressLine::end() {
    if (open_) std::cerr << '\n';
    open_ = false;
}

}  // namespace holon::cli

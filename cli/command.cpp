// SPDX-License-Identifier: GPL-2.0-or-later
#include "cli/command.h"

#include <fmt/format.h>

#include <iostream>

namespace holon::cli {

namespace po = boost::program_options;

CommandLine::CommandLine(std::string synopsis, std::string text)
    : synopsis_(std::move(synopsis)), text_(std::move(text)) {}

void CommandLine::operands(std::vector<std::string>& values, std::size_t low, std::size_t high) {
    operands_ = &values;
    low_ = low;
    high_ = high;
}

std::optional<int> CommandLine::parse(const Arguments& arguments) {
    const std::string command = synopsis_.substr(0, synopsis_.find_first_of(" ["));
    po::options_description all;
    options_.add_options()("help,h", "this text");
    all.add(options_);
    std::vector<std::string> given;
    all.add_options()("operand", po::value(&given));
    po::positional_options_description positional;
    positional.add("operand", -1);
    try {
        po::variables_map values;
        po::store(po::command_line_parser(arguments).options(all).positional(positional).run(),
                  values);
        if (values.count("help") != 0) {
            std::cout << "usage: holon " << synopsis_ << "\n\n" << text_ << "\n\n" << options_;
            return exit_good;
        }
        po::notify(values);
        if (given.size() < low_)
            throw po::error(fmt::format("something is missing; usage: holon {}", synopsis_));
        if (given.size() > high_)
            throw po::error(
                fmt::format("'{}' is too much; usage: holon {}", given[high_], synopsis_));
    } catch (const po::error& error) {
        std::cerr << "holon " << command << ": " << error.what() << " (see holon " << command
                  << " --help)\n";
        return exit_usage;
    }
    if (operands_ != nullptr) *operands_ = std::move(given);
    return std::nullopt;
}

}  // namespace holon::cli

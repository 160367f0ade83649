// SPDX-License-Identifier: GPL-2.0-or-later
// The subcommands of `holon`, and how each reads its command line.
#pragma once

#include <boost/program_options.hpp>
#include <optional>
#include <string>
#include <vector>

namespace holon::cli {

using Arguments = std::vector<std::string>;

// Exit statuses of every subcommand. Errors are thrown as holon::Error and become `exit_failed` in
// main.
inline constexpr int exit_good = 0, exit_failed = 1, exit_usage = 2;

int status(const Arguments& arguments);
int console(const Arguments& arguments);
int checkpoint(const Arguments& arguments);
int image(const Arguments& arguments);
int place(const Arguments& arguments);
int doctor(const Arguments& arguments);
int drain(const Arguments& arguments);
int migrate(const Arguments& arguments);
int usage(const Arguments& arguments);
int top(const Arguments& arguments);

// One subcommand's options and operands, and its help.
class CommandLine {
  public:
    // SYNOPSIS without "usage: holon"; TEXT is what the command does, for --help.
    CommandLine(std::string synopsis, std::string text);

    boost::program_options::options_description& options() { return options_; }
    // Operands go to VALUES; between LOW and HIGH of them must be given.
    void operands(std::vector<std::string>& values, std::size_t low, std::size_t high);

    // nullopt: go on. A number: the command ends with it, after help or an error was printed.
    std::optional<int> parse(const Arguments& arguments);

  private:
    std::string synopsis_, text_;
    boost::program_options::options_description options_{"Options"};
    std::vector<std::string>* operands_ = nullptr;
    std::size_t low_ = 0, high_ = 0;
};

}  // namespace holon::cli

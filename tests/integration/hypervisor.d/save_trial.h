// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <string>

namespace holon::vm {

// Saves DOMAIN to standard output, a pipe: a daemon that a test can kill while it does so. METHOD:
// "background" or "stopped".
int save_to_stdout(const std::string& domain, const std::string& method);

}  // namespace holon::vm

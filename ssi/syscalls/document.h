// SPDX-License-Identifier: GPL-2.0-or-later
//
// The table as a page to read (docs/ssi-syscalls.md).
#pragma once

#include <string>

namespace holon::ssi::syscalls {

std::string document();

}  // namespace holon::ssi::syscalls

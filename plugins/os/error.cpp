// SPDX-License-Identifier: GPL-2.0-or-later
#include "plugins/os/error.h"

#include <cerrno>
#include <system_error>

namespace holon {

std::string errno_text() { return errno_text(errno); }
std::string errno_text(int error_number) { return std::generic_category().message(error_number); }

}  // namespace holon

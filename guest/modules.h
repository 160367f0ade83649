// SPDX-License-Identifier: GPL-2.0-or-later
#pragma once

#include <string>

namespace holon::guest {

// Loads the kernel modules named in the file LIST, one path a line, in that order (the image build
// has resolved their dependencies). What cannot be loaded is logged: a VM without it may still do.
void load_modules(const std::string& list);

}  // namespace holon::guest

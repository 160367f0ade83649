// SPDX-License-Identifier: GPL-2.0-or-later
#include "plugins/os/fd.h"

#include <unistd.h>

namespace holon::os {

void Fd::reset(int fd) {
    if (fd_ >= 0) ::close(fd_);
    fd_ = fd;
}

}  // namespace holon::os

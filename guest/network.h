// SPDX-License-Identifier: GPL-2.0-or-later
// The VM's network interfaces, set by ioctl. Functions throw std::system_error or
// std::runtime_error.
#pragma once

#include <string>

namespace holon::guest {

struct NetworkConfig {
    std::string mac;
    std::string address;  // dotted quad
    int prefix = 0;
    int mtu = 0;  // 0: as it is
};

void bring_up_loopback();
void bring_up(const NetworkConfig& config);

}  // namespace holon::guest

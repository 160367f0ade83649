// SPDX-License-Identifier: GPL-2.0-or-later
//
// What `ssi ps` shows.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "ssi/daemon/bodies.h"
#include "ssi/daemon/control_server.h"
#include "ssi/inject/injector.h"

namespace holon::ssi::daemon {

// The processes with a runtime in them, found by looking (they fork unseen), and those that run
// without one and why. ASKING sees its own; root sees all.
std::string processes_as_json(uid_t asking, const std::filesystem::path& runtime,
                              const std::vector<ControlServer::Program>& programs,
                              const std::map<pid_t, inject::Pinned>& pinned);

// On a node that is not the first: its body processes.
std::string bodies_as_json(uid_t asking, const std::vector<Bodies::Info>& bodies);

}  // namespace holon::ssi::daemon

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The private network of jobs on real bridges, VXLAN devices and filters: what passes, what must not, what remains.
# Needs root; everything happens in namespaces that end with it.
set -euo pipefail
cd "$(dirname "$0")/../.."
exec unshare --net --mount "${HOLON_BUILD:-build/release}/tests/integration/network.d/network_isolation" "$@"

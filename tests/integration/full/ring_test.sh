#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Thirty rounds of cluster/ring_test.sh, on a cluster of six nodes of its own: each time the VMs go on where none of them was.
export HOLON_DEVCLUSTER=ring
top=$(readlink -f "$(dirname "${BASH_SOURCE[0]}")/../../..")
"$top/scripts/devcluster" down >/dev/null 2>&1
trap '"$top/scripts/devcluster" down >/dev/null 2>&1' EXIT
"$top/scripts/devcluster" up --nodes 6 || exit 1
"$top/tests/integration/cluster/ring_test.sh" 30

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# ring_test.sh [ROUNDS]: thirty rounds of ring.d/rounds.sh, on a cluster of six nodes of its own: each time the VMs go on
# where none of them was.
export HOLON_DEVCLUSTER=ring
top=$(readlink -f "$(dirname "${BASH_SOURCE[0]}")/../../..")
"$top/scripts/devcluster" down >/dev/null 2>&1
trap '"$top/scripts/devcluster" down >/dev/null 2>&1' EXIT
"$top/scripts/devcluster" up --nodes 6 || exit 1
"$top/tests/integration/ring.d/rounds.sh" "${1:-30}"

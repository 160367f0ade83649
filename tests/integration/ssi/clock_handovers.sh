#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# usage: tests/integration/ssi/clock_handovers.sh HANDOVERS
#
# Two threads on two nodes, whose own clocks are far apart, hand the time to each other so often: none is later than what
# the receiver reads. Needs root.
#
# HOLON_BUILD       the build directory (build/release)
# HOLON_SSI_NODES   "guests": the nodes are virtual machines (scripts/ssi-guests)
# shellcheck source=tests/integration/session.bash
. "$(dirname "$0")/../session.bash"

[[ $# -eq 1 ]] || { sed -n '4s/^# //p' "$0" && exit 2; }
build=${HOLON_BUILD:-$top/build/release}
export HOLON_BUILD=$build HOLON_SSI_CLUSTER=${HOLON_SSI_CLUSTER:-clocks}
cluster=$top/scripts/ssi-cluster
trap '"$cluster" down; rm -rf "$work"' EXIT
"$cluster" up --nodes 2 || { fail "the nodes come up" && finish; }
spread() { timeout 3000 "$cluster" run 0 ssi run --spread "$build/tests/ssi/programs/$1" "${@:2}" </dev/null; }

shows "every clock is the home's, on both nodes" "^0 of 10 clocks are wrong" "$(spread clocks_agree 2>&1)"
shows "of $1 hand-overs of the time none is negative" "^$1 hand-overs, negative 0 .*, coarse negative 0\$" \
    "$(spread clock_handover $(($1 / 2)) 2>&1)"
check "both nodes took part" grep -q "body process [0-9]* for uid 0" <("$cluster" log 1)
finish

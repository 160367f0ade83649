#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Nothing that a user or a stranger sends ends a daemon, or keeps it from serving others.
# shellcheck source-path=SCRIPTDIR source=ssi.bash
source "$(dirname "$0")/ssi.bash"
up
cp "$top/tests/integration/ssi.d/hostile.py" "$work/bin/"
first=$("$sc" pid 0)
second=$("$sc" pid 1)

shows "a user's packets are survived, and others are served meanwhile" '^1 +n1 .* up$' "$(as_nobody hostile.py local)"
check "a stranger's bytes are survived" on_node 1 hostile.py network 10.77.0.1
check "by the other node too" home hostile.py network 10.77.0.2
check "both daemons are the same as before" test -d "/proc/$first" -a -d "/proc/$second"
check "programs are entered" home ssi run "${entered[@]}"
check "body processes are started" within 30 home ssi-test-client body 1 3
equal "no body process was started for a stranger" "" "$(on_node 1 ssi ps | tail -n +2)"
check "all descriptors are given back" within 30 eval '[[ $(find /proc/$first/fd | wc -l) -lt 60 ]]'
check "and all threads" within 30 eval '[[ $(find /proc/$first/task -maxdepth 1 | wc -l) -lt 30 ]]'
finish

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Body processes: what they are, how they are reached, and when they end.
# shellcheck source-path=SCRIPTDIR source=ssi.bash
source "$(dirname "$0")/ssi.bash"
up

check "a body process answers over its link and its channels" home ssi-test-client body 1 12
check "a program of an unprivileged user has one" as_nobody ssi-test-client body 1 3
check "its processes end with the program" within 10 eval '! pgrep -u $nobody -f "^ssi-body 1"'
check "a node that is not there has none" fails_with 'node 5 is not up' home ssi-test-client body 5
check "the first node has none" fails_with 'node 0 is not up' home ssi-test-client body 0

hold() {
    rm -f "$work/held"
    as_nobody ssi-test-client hold 1 >"$work/held" 2>&1 &
    within 10 grep -q held "$work/held" || cat "$work/held"
    body=$(pgrep -nu $nobody -f '^ssi-body 1')
}
hold
status=$(<"/proc/$body/status")
shows "it has the user's uid and gid" "^Uid:	$nobody	$nobody	$nobody	$nobody\$" "$status"
shows "and no other group" '^Groups:	? *$' "$status"
shows "it can gain no privileges" '^NoNewPrivs:	1$' "$status"
shows "it has no capabilities" '^CapEff:	0+$' "$status"
shows "no signal is blocked or ignored" '^SigBlk:	0+$' "$status"
equal "its descriptors are control, link, userfaultfd and a pipe for its last words" "2 3 4 5 " \
    "$(find "/proc/$body/fd" -mindepth 1 -printf '%f\n' | sort -n | tr '\n' ' ')"
equal "its environment is empty" 0 "$(wc -c <"/proc/$body/environ")"
equal "its directory is the root" / "$(readlink "/proc/$body/cwd")"
shows "ssi ps shows it on its node" "^$body +nobody +ssi-" "$(on_node 1 ssi ps)"
kill -KILL "$body"
check "the program sees its end" within 10 grep -q 'has ended' "$work/held"
check "the log says how it ended" within 10 eval '"$sc" log 1 | grep -q "process $body .*killed by signal 9"'
wait

hold
"$sc" stop 1
check "a daemon that is told to end ends its body processes" within 10 eval "! kill -0 $body"
check "and the program sees it" within 10 grep -q 'has ended' "$work/held"
wait
"$sc" start 1
check "the node comes back" within 10 node_is 1 up
check "it has body processes again" home ssi-test-client body 1 3

hold
"$sc" kill 1
"$sc" start 1
check "a body process outlives its daemon's crash" kill -0 "$body"
kill -KILL "$body"
wait
finish

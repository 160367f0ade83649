#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What becomes of a program when a part of it is lost: it ends soon, says why, and others go on.
# shellcheck source-path=SCRIPTDIR source=ssi.bash
source "$(dirname "$0")/ssi.bash"
"$sc" up -- --timeout 15 || { fail "the nodes come up" && finish; }
export limit=120

# Two threads that count for ever, one on each node, and a word per second.
cat >"$work/count.c" <<'C'
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>
static volatile long counts[2048];
static void *count(void *at) { for (;;) ++*(volatile long *)at; }
int main(void) {
    pthread_t thread;
    pthread_create(&thread, 0, count, (void *)&counts[1024]);
    for (;;) { sleep(1); puts("going"); fflush(stdout); }
}
C
cc -O1 -pthread -o "$work/bin/count" "$work/count.c"

# Body processes of these nodes: others on the machine have theirs.
bodies() {
    local pid
    for pid in $(ip netns pids "$HOLON_SSI_CLUSTER-n1"); do
        [[ $(cat "/proc/$pid/comm" 2>/dev/null) != ssi-body ]] || echo "$pid"
    done
}

# begin NAME: a program of that name in the background; its output is $work/NAME, its exit status $work/NAME.status
begin() {
    cp "$work/bin/count" "$work/bin/$1"
    { home ssi run "$1" >"$work/$1" 2>&1; echo $? >"$work/$1.status"; } &
    within 20 grep -q going "$work/$1" || fail "$1 runs"
    body=$(bodies | sort -n | tail -1)
}
ended() { [[ -s $work/$1.status ]]; }
killed_with() { # NAME REGEX
    shows "and says why" "$2" "$(<"$work/$1")"
    equal "and its exit status is that of a killed program" 137 "$(<"$work/$1.status")"
}

begin other
survivor=$body
begin loses_body
kill -KILL "$body"
check "a program whose body process is killed ends within seconds" within 10 ended loses_body
killed_with loses_body '^ssi: process [0-9]+ \(home\): lost the connection to a(nother node| thread on another node)'
check "another program goes on" kill -0 "$survivor"
equal "and has not ended" "" "$(cat "$work/other.status" 2>/dev/null)"

begin is_killed
home_pid=$(pgrep -x is_killed | tail -1)
kill -KILL "$home_pid"
check "a program that is killed at home ends" within 10 ended is_killed
check "and its body process with it" within 10 eval '! kill -0 '"$body"

begin stops
kill -STOP "$body"
check "a program whose body process has stopped ends within the time-out" within 40 ended stops
killed_with stops '^ssi: process [0-9]+ \(home\): a node does not answer'
kill -KILL "$body"

begin is_cut
ip netns exec "$HOLON_SSI_CLUSTER-n1" ip link set eth0 down
check "a program whose link is cut ends within the time-out" within 40 ended is_cut
killed_with is_cut '^ssi: process [0-9]+ \(home\): (lost the connection|a node does not answer)'
ip netns exec "$HOLON_SSI_CLUSTER-n1" ip link set eth0 up

check "no body process is left" within 90 eval '[[ -z $(bodies) ]]'
finish

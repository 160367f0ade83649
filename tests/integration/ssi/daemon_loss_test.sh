#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Programs go on when the daemon of their home dies, and are served again by the next one.
# shellcheck source-path=SCRIPTDIR source=ssi.bash
source "$(dirname "$0")/ssi.bash"
up --nodes 1

cat >"$work/execs" <<'END'
count=0
while [[ ! -e $1/stop ]]; do
    /bin/true || echo "exec $count failed"
    count=$((count + 1))
    echo $count >"$1/count"
done
grep -q ^7e8000100000 /proc/self/maps && echo entered
END
home ssi run bash "$work/execs" "$work" >"$work/out" 2>&1 &
within 10 test -s "$work/count" || fail "the program runs"
goes_on() {
    local before
    before=$(cat "$work/count")
    within 10 eval "[[ \$(cat $work/count) -gt $((before + 10)) ]]"
}
for round in 1 2 3 4 5 6 7 8; do
    "$sc" kill 0
    goes_on || fail "the program executes others without a daemon (round $round)"
    "$sc" start 0
    goes_on || fail "the program executes others with a new daemon (round $round)"
done
pass "eight daemons were killed under the program"
touch "$work/stop"
wait
equal "no exec failed, and the last program was entered by the last daemon" entered "$(<"$work/out")"

keeper() { pgrep -f '^ssid-keeper default$' | while read -r pid; do
    ip netns identify "$pid" | grep -q "$HOLON_SSI_CLUSTER" && echo "$pid"
done; }
check "one keeper stands by" [ "$(keeper | wc -l)" = 1 ]
"$sc" stop 0
check "it ends with the daemon when no program is left" within 10 eval '[[ -z $(keeper) ]]'
"$sc" start 0
home ssi run bash -c 'read -r < <(tail -f /dev/null); true' &
within 10 eval 'home ssi ps | grep -q bash'
"$sc" stop 0
check "it stays with a program that outlives the daemon" [ -n "$(keeper)" ]
"$sc" down
wait
check "nothing is left when the program is gone" within 10 eval '[[ -z $(pgrep -f "^ssid-keeper" | xargs -rn1 ip netns identify | grep ssitest) ]]'
finish

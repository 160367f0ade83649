#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What happens to threads on another node when their process is stopped, and what is in its core dump.
# shellcheck source-path=SCRIPTDIR source=ssi.bash
source "$(dirname "$0")/ssi.bash"
small=$build/tests/ssi/programs
"$sc" up || { fail "the nodes come up" && finish; }
export limit=120

process_named() {
    local pid name
    for pid in $(ip netns pids "$HOLON_SSI_CLUSTER-n$1"); do
        read -r name <"/proc/$pid/comm" && [[ $name == "$2" ]] && echo "$pid"
    done 2>/dev/null
}
one_is_there() { [[ -n $(process_named "$1" "$2") ]]; }
# Ticks of CPU time of a process.
used() { awk '{ print $14 + $15 }' "/proc/$1/stat" 2>/dev/null || echo 0; }
computes() { [[ $(used "$1") -gt ${2:-5} ]]; }
# It has used nothing for half a second.
rests() {
    local before
    before=$(used "$1")
    sleep 0.5
    [[ $(used "$1") == "$before" ]]
}

natively=$("$small/ep" A 2)
home ssi run --spread "$small/ep" A 2 >"$work/spread" 2>&1 &
run=$!
check "a thread computes on node 1" within 20 one_is_there 1 ssi-body
body=$(process_named 1 ssi-body)
within 20 computes "$body"
program=$(process_named 0 ep)
kill -STOP "$program"
check "it rests when its process is stopped" within 10 rests "$body"
before=$(used "$body")
kill -CONT "$program"
check "it goes on when its process does" within 20 computes "$body" "$((before + 5))"
wait "$run"
equal "and the program ends as natively" "$natively" "$(<"$work/spread")"

read -r pattern </proc/sys/kernel/core_pattern
if [[ $pattern == core ]]; then
    mkdir "$work/core"
    home bash -c "cd $work/core && ulimit -c unlimited && ssi run --spread $small/core_marker die" >/dev/null 2>&1
    core=$(find "$work/core" -type f | head -1)
    check "a fault on another node leaves a core dump" test -s "$core"
    check "what only other nodes had is in it" test "$(grep -ao written-elsewhere "$core" | wc -l)" -ge 8
fi
finish

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# usage: tests/integration/ssi/soak.sh [--minutes M] [--seed S] [--nodes N] [--limit SECONDS]
#
# Random programs (tests/ssi/soak), natively and with their threads spread over the nodes of a virtual SMP: same output,
# same exit status. Between programs nothing is left of them: no body process, no descriptor, thread or memory in ssid and
# its keeper. Every tenth program is a long one, in whose body processes descriptors, threads and memory must not grow.
# Programs are numbered from S on (1); a divergence is repeated with `soak NUMBER`. The cluster is one of its own. Needs root.
#
# HOLON_BUILD   the build directory (build/release)
# shellcheck source=tests/integration/session.bash
. "$(dirname "$0")/../session.bash"

build=${HOLON_BUILD:-$top/build/release}
export HOLON_BUILD=$build HOLON_SSI_CLUSTER=${HOLON_SSI_CLUSTER:-natsoak}
program=$build/tests/ssi/programs/soak
cluster=$top/scripts/ssi-cluster
minutes=1 seed=1 count=2 seconds=120
long_phases=120

while [[ $# -gt 0 ]]; do
    case $1 in
    --minutes) minutes=$2 && shift 2 ;;
    --seed) seed=$2 && shift 2 ;;
    --nodes) count=$2 && shift 2 ;;
    --limit) seconds=$2 && shift 2 ;;
    *) sed -n '4s/^# //p' "$0" && exit 2 ;;
    esac
done
[[ -x $program ]] || { echo "no $program: build ssi_programs" >&2 && exit 1; }

take_down() {
    "$cluster" down
    rm -rf "$work"
}
trap take_down EXIT
"$cluster" down
"$cluster" up --nodes "$count" >"$work/up" 2>&1 || { cat "$work/up" >&2 && exit 1; }

# What runs on node K besides those that are always there.
bodies_on() {
    local pid name
    for pid in $(ip netns pids "$HOLON_SSI_CLUSTER-n$1"); do
        read -r name <"/proc/$pid/comm" || continue
        [[ $name != ssi-body ]] || echo "$pid"
    done 2>/dev/null
}
others_on() {
    local pid name
    for pid in $(ip netns pids "$HOLON_SSI_CLUSTER-n$1"); do
        read -r name <"/proc/$pid/comm" || continue
        [[ $name == ssid* ]] || echo "$pid:$name"
    done 2>/dev/null
}
none_left() {
    local k
    for ((k = 0; k < count; k++)); do [[ -z $(others_on "$k") ]] || return 1; done
}
# held PID FIELD: descriptors, threads, KB of data of a process, by the FIELD of /proc/PID/status that counts them.
held() { echo "$(find "/proc/$1/fd" -mindepth 1 2>/dev/null | wc -l) $(awk -v field="$2:" '/^Threads:/ { t = $2 } $1 == field { d = $2 } END { print t + 0, d + 0 }' "/proc/$1/status" 2>/dev/null)"; }
# Of a daemon what it has written to counts: glibc keeps the address space of threads that have ended.
daemons() {
    local k pid
    for ((k = 0; k < count; k++)); do
        for pid in $(ip netns pids "$HOLON_SSI_CLUSTER-n$k"); do echo "$k:$pid $(held "$pid" RssAnon)"; done
    done
}
# grew BEFORE AFTER FDS THREADS KB: what of AFTER is more than what was before and so much.
grew() {
    awk -v fds="$3" -v threads="$4" -v data="$5" '
        NR == FNR { f[$1] = $2; t[$1] = $3; d[$1] = $4; next }
        !($1 in f) { next }
        $2 > f[$1] + fds { print $1 ": descriptors " f[$1] " -> " $2 }
        $3 > t[$1] + threads { print $1 ": threads " t[$1] " -> " $3 }
        $4 > d[$1] + data { print $1 ": KB of data " d[$1] " -> " $4 }' "$1" "$2"
}

spread() { timeout -k 5 "$seconds" "$cluster" run 0 ssi run --spread "$program" "$@" </dev/null; }
natively() { timeout -k 5 "$seconds" "$program" "$@" </dev/null; }
# Of every body process on the other nodes.
bodies() {
    local k pid
    for ((k = 1; k < count; k++)); do
        for pid in $(bodies_on "$k"); do echo "$pid $(held "$pid" VmData)"; done
    done
}

diverged=0
# both SEED PHASES: the same program twice.
both() {
    local status=0 line
    natively "$@" >"$work/native" 2>"$work/native.err" || status=$?
    echo "exit status $status" >>"$work/native"
    status=0
    : >"$work/early"
    : >"$work/late"
    spread "$@" 2>"$work/spread.err" | while IFS= read -r line; do
        echo "$line"
        [[ $2 == "$long_phases" ]] || continue
        case $line in
        "20 "*) bodies >"$work/early" ;;
        "$((long_phases - 2)) "*) bodies >"$work/late" ;;
        esac
    done >"$work/spread"
    status=${PIPESTATUS[0]}
    echo "exit status $status" >>"$work/spread"
    if ! cmp -s "$work/native" "$work/spread"; then
        diverged=$((diverged + 1))
        fail "program $1 ($2 phases) is the same on $count nodes" \
            "$(diff "$work/native" "$work/spread" | head -6)"$'\n'"$(head -3 "$work/spread.err")$(head -3 "$work/native.err")"
    fi
    within 10 none_left || fail "nothing is left of program $1" "$(for ((k = 0; k < count; k++)); do others_on "$k"; done)"
}

echo "# programs from seed $seed on, for $minutes min, on $count nodes"
both "$seed" 16
daemons >"$work/before"
deadline=$((SECONDS + minutes * 60))
programs=1 long=0
while [[ $SECONDS -lt $deadline && $diverged -lt 5 ]]; do
    phases=16
    if ((programs % 10 == 5)); then phases=$long_phases; fi
    both "$((seed + programs))" "$phases"
    if ((phases == long_phases)); then
        long=$((long + 1))
        growth=$(grew "$work/early" "$work/late" 16 8 65536)
        [[ -z $growth ]] || fail "body processes of program $((seed + programs)) do not grow" "$growth"
    fi
    programs=$((programs + 1))
done
daemons >"$work/after"
equal "$programs programs from seed $seed on, $long of them long: no divergence from a native run" 0 "$diverged"
# ssid keeps connections waiting, whose number differs by a few; its threads end when their clients do.
equal "ssid and its keepers hold no more than before" "" "$(grew "$work/before" "$work/after" 12 6 8192)"
for ((k = 0; k < count; k++)); do
    lacks "node $k: no complaint of a program that ended well" 'body process [0-9]+: ssi:' "$("$cluster" log "$k")"
done
finish

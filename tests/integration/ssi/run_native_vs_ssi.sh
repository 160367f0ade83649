#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# usage: tests/integration/ssi/run_native_vs_ssi.sh [--nodes N] [--rounds R] [--overlap PERCENT] [--limit SECONDS] [PROGRAM…]
#
# Every small program of tests/ssi/programs natively and with its threads spread over the nodes of a virtual SMP: output
# and exit status must be the same. Then the litmus tests, R rounds each (2000; 0: none): no forbidden outcome, and as many
# rounds overlapped as are PERCENT of R (10); where a machine makes few overlap, more rounds are run for it. The cluster is one of its own (scripts/ssi-cluster), taken down at the end. Needs root.
#
# A program passes for correctness even when its process stayed at home; the last check says whether one did.
#
# HOLON_BUILD       the build directory (build/release)
# HOLON_SSI_NODES   "guests": the nodes are virtual machines (scripts/ssi-guests), and native is in the first of them
# SSI_KEEP          leave the cluster up when something failed
# shellcheck source=tests/integration/session.bash
. "$(dirname "$0")/../session.bash"

build=${HOLON_BUILD:-$top/build/release}
export HOLON_BUILD=$build HOLON_SSI_CLUSTER=${HOLON_SSI_CLUSTER:-natssi}
programs=$build/tests/ssi/programs
cluster=$top/scripts/ssi-cluster
count=2 rounds=2000 overlap=10 seconds=40 chosen=() native=()
# Guests are emulated: all takes longer, and how many rounds overlap is shown there, not demanded.
[[ ${HOLON_SSI_NODES-} != guests ]] || { seconds=240 overlap=0 native=("$cluster" run 0); }

while [[ $# -gt 0 ]]; do
    case $1 in
    --nodes) count=$2 && shift 2 ;;
    --rounds) rounds=$2 && shift 2 ;;
    --overlap) overlap=$2 && shift 2 ;;
    --limit) seconds=$2 && shift 2 ;;
    -*) sed -n '4s/^# //p' "$0" && exit 2 ;;
    *) chosen+=("$1") && shift ;;
    esac
done

# What docs/ssi.md says is different. A program that no longer differs must leave the list.
declare -A different=(
    [ids]="the agent is a thread of the process in /proc/PID/task"
    [proc_self]="the agent is counted in /proc/PID/status"
    [map_populate]="mlock is refused: pages may be elsewhere"
)
# Four threads of which each round needs all four at once do not overlap on fewer cores, but when they wait for pages.
declare -A few_overlap=([iriw]=1 [wrc]=1)

take_down() {
    if [[ -n ${SSI_KEEP-} && $failures -gt 0 ]]; then
        echo "# the cluster $HOLON_SSI_CLUSTER stays up"
    else
        "$cluster" down
    fi
    rm -rf "$work"
}

bring_up() { "$cluster" up --nodes "$count" >"$work/up" 2>&1; }

# How many body processes the other nodes have started so far.
bodies() {
    local k sum=0
    for ((k = 1; k < count; k++)); do
        sum=$((sum + $("$cluster" log "$k" | grep -cE 'body process [0-9]+ for uid [0-9]+$')))
    done
    echo "$sum"
}

# Every node answers, or the cluster is made anew: one program must not decide over the next.
cluster_is_whole() {
    local k
    for ((k = 0; k < count; k++)); do
        [[ $(timeout 10 "$cluster" run "$k" ssi nodes --json 2>/dev/null | grep -c '"up"') == "$count" ]] || return 1
    done
}
mend() {
    cluster_is_whole && return
    fail "the nodes are all there after $1" "$(for ((k = 0; k < count; k++)); do
        "$cluster" log "$k" | tail -3
    done)"
    "$cluster" down
    bring_up
}

# outcome FILE CMD…: what it prints, then its exit status; never longer than the limit, on whatever machine it runs.
outcome() {
    local status=0
    if [[ $2 == "$cluster" ]]; then
        set -- "$1" "${@:2:3}" timeout -k 5 "$seconds" "${@:5}"
    else
        set -- "$1" timeout -k 5 "$seconds" "${@:2}"
    fi
    "${@:2}" >"$1" 2>"$1.err" </dev/null || status=$?
    echo "exit status $status" >>"$1"
}

away=() home=()
compare() {
    local name=$1 before begin
    outcome "$work/native" "${native[@]}" "$programs/$name"
    before=$(bodies)
    begin=$EPOCHREALTIME
    outcome "$work/spread" "$cluster" run 0 ssi run --spread "$programs/$name"
    local took=$(((${EPOCHREALTIME/./} - ${begin/./}) / 1000))
    if [[ $(bodies) -gt $before ]]; then away+=("$name"); else home+=("$name"); fi
    if [[ -n ${different[$name]-} ]]; then
        check "$name still differs: ${different[$name]}" test ! "$(cmp -s "$work/native" "$work/spread" && echo same)"
    elif cmp -s "$work/native" "$work/spread"; then
        pass "$name ($took ms)"
    else
        fail "$name ($took ms)" "$(diff "$work/native" "$work/spread" | head -8)"$'\n'"$(head -3 "$work/spread.err")"
        mend "$name"
    fi
}

litmus() {
    local name=$1 wanted=$((rounds * overlap / 100)) text overlapped
    [[ -z ${few_overlap[$name]-} ]] || wanted=0
    text=$("$cluster" run 0 timeout -k 5 $((seconds * 5)) ssi run --spread "$programs/litmus" "$name" "$rounds" "overlap=$wanted" 2>&1) ||
        text+=$'\n'"exit status $?"
    overlapped=$(grep -oE 'overlapped [0-9]+ .*' <<<"$text")
    shows "litmus $name: no forbidden outcome (${overlapped:-?})" "^${name//+/\\+}: ok\$" "$text"
    [[ $wanted == 0 || -z $overlapped ]] && return
    check "litmus $name: $wanted rounds or more overlap" test "$(tr -cd 0-9 <<<"${overlapped%% (*}")" -ge "$wanted"
}

[[ -x $programs/litmus ]] || { echo "no programs in $programs: build ssi_programs" >&2 && exit 1; }
trap take_down EXIT
bring_up || { cat "$work/up" >&2 && exit 1; }

if [[ ${#chosen[@]} -eq 0 ]]; then
    mapfile -t chosen < <(find "$programs" -maxdepth 1 -type f -executable -printf '%f\n' | grep -vxE 'litmus|soak' | sort)
fi
for program in "${chosen[@]}"; do compare "$program"; done

if [[ $rounds -gt 0 ]]; then
    for name in $("$programs/litmus" --list); do litmus "$name"; done
fi

equal "every program had threads on other nodes" "" "${home[*]-}"
echo "# threads away: ${#away[@]} of ${#chosen[@]} programs"
finish

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# VMs move ten times back and forth while a stream of hashes goes between them; daemons are killed in the middle of
# moves, and while a VM is away from home; a job is cancelled in mid-move.
# shellcheck source=tests/integration/session.bash
source "$(dirname "$0")/../session.bash"
# shellcheck source=tests/integration/migrate.d/job.bash
source "$(dirname "$0")/../migrate.d/job.bash"

begin --vm-checkpoint
for round in 1 2 3 4 5; do back_and_forth "round $round"; done
check "the job counts on" goes_on moves
check "its output is whole" exact moves

# --- Daemons are killed in the middle, at the home of the VM, where it goes to, and the job's first
# killed SENTENCE VM NODE HOST: while VM moves to NODE, holond on HOST is killed and another started.
killed() {
    alice holon migrate "$job:$2" --to "$3" --json >"$work/move" 2>&1 &
    local asking=$!
    moves() { grep -q '"phase":"moving"' "$work/move" || ! kill -0 $asking; }
    within 20 moves
    "$dc" kill "$4" holond >/dev/null
    "$dc" start "$4" holond >/dev/null
    wait $asking
    echo "# $(tail -n 1 "$work/move" | cut -c1-200)"
    check "$1 is killed in the middle of a move: the job goes on" goes_on moves
    check "so does the stream" stream_goes_on
}
killed "the source's daemon" vm1 n3 n2
killed "the destination's daemon" vm1 "$([[ $(node_of "$job" vm1) == n3 ]] && echo n2 || echo n3)" n3
killed "the first node's daemon" vm1 "$([[ $(node_of "$job" vm1) == n3 ]] && echo n2 || echo n3)" n1
killed "the first node's, the source's," vm0 n2 n1
[[ $(node_of "$job" vm0) == n2 ]] || check "vm0 moves away" alice holon migrate "$job:vm0" --to n2
killed "the first node's, the destination's," vm0 n1 n1
[[ $(node_of "$job" vm0) == n2 ]] || check "vm0 moves away again" alice holon migrate "$job:vm0" --to n2

# --- With vm0 away from home
for node in n2 n1; do
    "$dc" kill $node holond >/dev/null
    "$dc" start $node holond >/dev/null
    check "the daemon of $node is replaced: the job goes on" goes_on moves
    check "so does the stream, once more" stream_goes_on
done
check "its output is whole still" exact moves
# --- Cancelled in the middle of a move
alice holon migrate "$job:vm0" --json >"$work/move" 2>&1 &
moves() { grep -qE '"phase":"moving"|error|holon' "$work/move"; }
within 20 moves
alice scancel "$job"
check "a job is cancelled while a VM of it may be moving" wait_for_job "$job" 60
wait
nothing_is_left "a job that was cancelled while a VM moved"
finish

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The select plugin in a slurmctld alone, whose nodes exist only on paper: ordinary jobs are placed exactly as by Slurm's
# own plugin, VM jobs as the placement says, and nothing that is broken keeps slurmctld from scheduling.
set -uo pipefail
here=$(dirname "$(readlink -f "$0")")
build=${HOLON_BUILD:-$here/../../build/release}
driver=$build/tests/integration/select.d/select_driver
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
if [[ ! -e $build/select/shadow/select_cons_tres.so ]]; then
    echo "no select plugin was built here (Slurm's sources could not be had)"
    exit 77
fi
mkdir "$work/shadow"
cp "$build/select/shadow/select_cons_tres.so" "$work/shadow/"

trace() { # trace NAME OPTIONS…
    python3 "$here/select.d/trace.py" "$driver" "${@:2}" >"$work/$1" 2>"$work/$1.log" ||
        echo "it did not end well: $(tail -n 5 "$work/$1.log")" | tee -a "$work/$1"
}

same() { # same SENTENCE A B: both ended well, with the same output
    if cmp -s "$work/$2" "$work/$3" && ! grep -q "did not end well" "$work/$2"; then
        echo "ok  $1"
    else
        echo "FAILED  $1: $(diff "$work/$2" "$work/$3" | head -n 4)"
        failed=1
    fi
}

trace stock &
trace stock-again &
trace with-holon --shadow "$work/shadow" &
# Each has a slurmctld of its own, and mostly waits for it.
python3 "$here/select.d/sessions.py" "$driver" "$work/shadow" >"$work/sessions" 2>&1 &
sessions=$!
python3 "$here/select.d/faults.py" "$driver" "$work/shadow" "$build/tests/integration/select.d" >"$work/faults" 2>&1 &
wait $! || failed=1
wait $sessions || failed=1
wait
same "500 ordinary jobs get the same nodes and cores in two runs of stock Slurm (the control)" stock stock-again
same "500 ordinary jobs get the same nodes and cores with and without Holon's plugin" stock with-holon
cat "$work/sessions" "$work/faults"
exit "$failed"

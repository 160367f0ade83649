#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# usage: tests/ssi/run_natively.sh FOLDER
#
# The programs in FOLDER (tests/ssi/programs of a build) as they are, on this machine: each ends as it should, twice with
# the same output, and no litmus test shows what x86-64 forbids. What is compared with them elsewhere can be trusted.
set -uo pipefail

folder=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
declare -A expected=([abort_in_thread]=134 [segv_in_thread]=139 [exit_from_thread]=7 [exit_group]=9 [exec_thread]=12)
number=0
failures=0

result() {
    number=$((number + 1))
    if [[ $1 == 0 ]]; then echo "ok $number - $2"; else
        failures=$((failures + 1))
        echo "not ok $number - $2"
    fi
}

for path in "$folder"/*; do
    name=${path##*/}
    [[ -f $path && -x $path && $name != litmus && $name != soak ]] || continue
    kind=${name%-static}
    kind=${kind%-nopie}
    right=0
    for run in 1 2; do
        timeout 60 "$path" >"$work/$run" 2>"$work/error" </dev/null
        status=$?
        if [[ $status != "${expected[$kind]-0}" ]]; then
            echo "# exit status $status: $(head -1 "$work/error")"
            right=1
        fi
    done 2>/dev/null
    cmp -s "$work/1" "$work/2" || right=1
    result $right "$name"
done
for name in $("$folder/litmus" --list); do
    timeout 120 "$folder/litmus" "$name" 50000 >"$work/1" 2>&1
    result $? "litmus $name: $(grep overlapped "$work/1")"
done
echo "1..$number"
[[ $number -gt 60 && $failures -eq 0 ]]

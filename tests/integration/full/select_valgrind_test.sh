#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A trace of 500 jobs, every third a VM job, through a slurmctld under valgrind: it reads and writes nothing that is not
# its own, and the select plugin loses no memory.
set -uo pipefail
here=$(dirname "$(readlink -f "$0")")
build=${HOLON_BUILD:-$here/../../../build/release}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
mkdir "$work/shadow"
cp "$build/select/shadow/select_cons_tres.so" "$work/shadow/" || exit 1

check() { # check SENTENCE FILE…: no output in FILE
    if [[ ! -s $2 ]]; then
        echo "ok  $1"
    else
        echo "FAILED  $1: $(head -n 20 "$2")"
        failed=1
    fi
}

python3 "$here/../select.d/trace.py" "$build/tests/integration/select.d/select_driver" --shadow "$work/shadow" --vm-jobs \
    --under "valgrind --leak-check=full --show-leak-kinds=definite,possible --num-callers=30 --log-file=$work/valgrind.%p" \
    >"$work/trace" 2>"$work/log" || {
    echo "FAILED  slurmctld did not end well: $(tail -n 5 "$work/log")"
    failed=1
}
if [[ $(wc -l <"$work/trace") -eq 500 ]] && compgen -G "$work/valgrind.*" >/dev/null; then
    echo "ok  the whole trace ran under valgrind"
else
    echo "FAILED  the trace has $(wc -l <"$work/trace") lines"
    failed=1
fi
# glibc keeps the stack of a thread that ended for the next one. Slurm's own allocator keeps pointers into blocks, which valgrind calls possibly lost: only Holon's code counts there.
grep -hE '(Invalid (read|write|free)|uninitialised|Mismatched|overlap)' "$work"/valgrind.* >"$work/invalid"
check "nothing was read or written that was not there" "$work/invalid"
awk -v RS='\n==[0-9]+== \n' '/ lost in loss record/ && /holon::/ && !/pthread_create/' "$work"/valgrind.* >"$work/lost"
check "the select plugin lost no memory" "$work/lost"
grep 'holon:' "$work/log" >"$work/said"
check "and had nothing to complain of" "$work/said"
exit "$failed"

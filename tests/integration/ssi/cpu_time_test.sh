#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What a program has used on all nodes is what its parent is told.
# shellcheck source-path=SCRIPTDIR source=ssi.bash
source "$(dirname "$0")/ssi.bash"
"$sc" up || { fail "the nodes come up" && finish; }
cp "$build/tests/ssi/programs/"{child_time,cpu_time} "$work/bin/"

# Three threads that use 0.15 s each, on two nodes; user and system time in ms, as a shell's `time` has them.
timed='TIMEFORMAT="%U %S"; time cpu_time >/dev/null'
milliseconds() { awk '{print int(1000 * ($1 + $2))}' <<<"$1"; }
at_least() { [[ $(milliseconds "$2") -ge $1 ]] || { echo "it shows: $2" && return 1; }; }
below() { [[ $(milliseconds "$2") -lt $1 ]] || { echo "it shows: $2" && return 1; }; }

both=$(home ssi run --spread bash -c "$timed" 2>&1)
check "a shell's time shows what was used on both nodes" at_least 430 "$both"
check "and nothing twice" below 900 "$both"
# The shell between them has used nothing itself.
waited=$(home ssi run --spread /usr/bin/time -f '%U %S' bash -c 'cpu_time >/dev/null; true' 2>&1)
check "so does a program that asks by its wait" at_least 430 "$waited"
check "and nothing twice either" below 900 "$waited"
check "an unprivileged user's shows it, too" at_least 430 "$(as_nobody ssi run --spread bash -c "$timed" 2>&1)"
check "what is started next does not have it" below 430 \
    "$(home ssi run --spread bash -c "cpu_time >/dev/null; TIMEFORMAT='%U %S'; time true" 2>&1)"
lacks "and no parent misses it" ': .*0|^0$' "$(home ssi run --spread child_time 2>&1)"
# Body processes are reaped a moment after their program's end.
used_there() { "$sc" log 1 | grep -qE 'ended; (0\.[1-9]|[1-9])[0-9.]* s of CPU time'; }
check "a part of it was used on the other node" within 10 used_there
finish

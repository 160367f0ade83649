#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Who attaches to a process sees all of its memory: it has come home before.
# shellcheck source-path=SCRIPTDIR source=ssi.bash
source "$(dirname "$0")/ssi.bash"
"$sc" up || { fail "the nodes come up" && finish; }

program=$build/tests/ssi/programs/waits_for_end
mkfifo "$work/input"
home ssi run --spread "$program" <"$work/input" >"$work/output" 2>&1 &
exec 7>"$work/input"
away() { [[ $(home ssi ps --json) == *'"away": 1,'* ]]; }
check "a thread of it is elsewhere" within 20 away
pid=$(home ssi ps --json | python3 -c 'import json,sys; print([p["pid"] for p in json.load(sys.stdin) if p["away"]][0])')
looked=$(home ssi run --home gdb -p "$pid" -batch -nx -ex 'print words[7]' 2>&1)
shows "gdb reads what was written elsewhere" 'written-elsewhere' "$looked"
shows "the process is at home, and ssi ps says why" "^$pid .* 0 +traced" "$(home ssi ps)"
exec 7>&-
wait
equal "and goes on when it is let go" written-elsewhere "$(cat "$work/output")"
finish

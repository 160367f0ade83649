#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A program that was better off at home is not sent away again at once, and is tried again later.
# shellcheck source-path=SCRIPTDIR source=ssi.bash
source "$(dirname "$0")/ssi.bash"
"$sc" up || { fail "the nodes come up" && finish; }
export limit=120

sharing=$build/tests/ssi/programs/false_sharing
started() { "$sc" log 1 | grep -cE 'body process [0-9]+ for uid [0-9]+$'; }
# Long enough to be judged.
share() { home ssi run "${@}" "$sharing" 1000000000 >/dev/null; }

share
equal "the first start leaves" 1 "$(started)"
shows "the log says that it was better at home" 'false_sharing.*better at home' "$("$sc" log 0)"
share
equal "the next one does not" 1 "$(started)"
home ssi run "$build/tests/ssi/programs/barrier" >/dev/null
equal "another program does" 2 "$(started)"
share --spread
equal "--spread sends it away all the same" 3 "$(started)"
share && share && share
equal "after four starts it has not left again" 3 "$(started)"
share
equal "but it is tried then" 4 "$(started)"

# Where others have the CPUs a woken thread waits long, and few events show that it does.
burners=()
for core in 0 1; do
    for _ in 1 2 3; do
        timeout 60 taskset -c "$core" sh -c 'while :; do :; done' &
        burners+=($!)
    done
done
home timeout 50 ssi run "$build/tests/ssi/programs/mutex_pingpong" 200000 >/dev/null
for each in "${burners[@]}"; do kill "$each" 2>/dev/null; done
shows "a ping-pong is taken home on a machine that others use" 'mutex_pingpong.*better at home' "$("$sc" log 0)"
finish

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A program that was better off at home is not sent away again at once, and is tried again later.
# shellcheck source-path=SCRIPTDIR source=ssi.bash
source "$(dirname "$0")/ssi.bash"
"$sc" up || { fail "the nodes come up" && finish; }
export limit=120

# Threads that take turns are better at home whatever else runs. (Threads that only write side by side are not where
# each waits for a CPU most of the time: then the other one has the page to itself.) Each copy is a program of its own.
turns() { cp "$build/tests/ssi/programs/mutex_pingpong" "$work/bin/$1" && echo "$work/bin/$1"; }
sharing=$(turns sharing)
among_others=$(turns among_others)
started() { "$sc" log 1 | grep -cE 'body process [0-9]+ for uid [0-9]+$'; }
is_better_at_home() { "$sc" log 0 | grep -q "($1) is better at home"; }
# Long enough to be judged: apart, a turn takes 0.5 ms or more.
share() { home ssi run "$sharing" 20000 >/dev/null; }

share
equal "the first start leaves" 1 "$(started)"
check "the log says that it was better at home" within 10 is_better_at_home sharing
share
equal "the next one does not" 1 "$(started)"
home ssi run "$build/tests/ssi/programs/barrier" >/dev/null
equal "another program does" 2 "$(started)"
home ssi run --spread "$sharing" 500 >/dev/null
equal "--spread sends it away all the same" 3 "$(started)"
share && share && share
equal "after four starts it has not left again" 3 "$(started)"
share
equal "but it is tried then" 4 "$(started)"

# Where others have the CPUs a woken thread waits long, and few events show that it does.
burners=()
for core in 0 1; do
    for _ in 1 2 3; do
        timeout 120 taskset -c "$core" sh -c 'while :; do :; done' &
        burners+=($!)
    done
done
home ssi run "$among_others" 20000 >/dev/null
for each in "${burners[@]}"; do kill "$each" 2>/dev/null; done
check "so is one that is taken home on a machine that others use" within 10 is_better_at_home among_others
finish

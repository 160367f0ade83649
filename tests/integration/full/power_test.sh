#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The power fails where it hurts most: a checkpoint is written to its last byte, its manifest too, and only its name is not
# yet what it will be. All nodes of the job go off at once. What is not whole is no checkpoint: the job goes on from the one
# before, and its output is exact. A cluster of its own.
export HOLON_DEVCLUSTER=power
# shellcheck source=tests/integration/session.bash
source "$(dirname "$0")/../session.bash"

trap '"$dc" down >/dev/null 2>&1; rm -rf "$work"' EXIT
"$dc" down >/dev/null 2>&1
check "a cluster comes up" "$dc" up
out=/shared/power
alice mkdir "$out"

said() { alice cat "$out/$1" 2>/dev/null; }
count() { said count.out | grep -c '^[0-9]'; }
more_than() { [[ $(count) -gt $1 ]]; }
counts_beyond() { within 60 more_than "$1"; }
# What the script printed is 1, 2, 3 … without a gap. (What the nodes wrote is in the page cache of the one machine they are
# on, whose power did not fail: that files are synced is not tried here.)
exact() {
    said count.out | grep -v '^holon: ' | sed '$d' >"$work/printed"
    seq "$(wc -l <"$work/printed")" | cmp - "$work/printed"
}
files() { alice sh -c "ls .holon/checkpoints/$job" | tr '\n' ' '; }
goes_on_from() { [[ $(said count.out) == *"goes on from checkpoint $1"* ]]; }
goes_on() { alice sbatch --parsable "$@" >"$work/id"; }

# On n1 the program that commits a checkpoint stops before it gives the folder its name (its second rename: the first is the manifest's).
slow_store() {
    on n1 tee /usr/libexec/holon/slow >/dev/null <<'SHELL'
#!/bin/sh
real=/usr/libexec/holon/holon-checkpoint.real
[ "$1" = commit ] || exec $real "$@"
exec gdb -q -batch -ex 'set breakpoint pending on' -ex 'break rename' -ex 'ignore 1 1' -ex run \
    -ex 'shell touch /tmp/held; while [ -e /tmp/hold ]; do sleep 0.1; done' -ex continue --args $real "$@"
SHELL
    on n1 sh -c 'cd /usr/libexec/holon && mv holon-checkpoint holon-checkpoint.real && chmod 0755 slow && mv slow holon-checkpoint'
}
usual_store() { on n1 sh -c 'cd /usr/libexec/holon && [ ! -e holon-checkpoint.real ] || mv holon-checkpoint.real holon-checkpoint'; }

alice tee count.sh >/dev/null <<'JOB'
#!/bin/sh
i=0
while :; do
    nc -w 5 vm1 9 </dev/null 2>&1 | grep -q refused && echo $((i += 1)) # nobody listens there, and vm1 says so
    sleep 0.05
done
JOB
job=$(submit --vm-cluster -N2 -n2 --mem=400 -w n1,n2 --vm-checkpoint -o "$out/count.out" count.sh)
check "a job counts" counts_beyond 10
check "it is saved" alice holon checkpoint "$job" --wait
saved=$(count)
slow_store
on n1 touch /tmp/hold
check "it counts on" counts_beyond "$((saved + 10))"
alice holon checkpoint "$job" >/dev/null
check "the second checkpoint is written, and lacks its name" within 30 on n1 test -e /tmp/held
check "n1 loses its power" "$dc" poweroff n1
check "n2 too" "$dc" poweroff n2
before=$(count)
equal "what is there is one checkpoint and what was to be one" "1 2.part " "$(files)"
check "to which nothing is wanting" alice test -s ".holon/checkpoints/$job/2.part/manifest.json"
check "n1 is on again" "$dc" poweron n1
check "n2 too" "$dc" poweron n2
usual_store

# Slurm would find by itself that the job is gone, when a minute or two are over (BatchStartTimeout).
check "the job is to begin again" on ctl scontrol requeue "$job"
check "it waits" within 60 job_is "$job" PENDING
check "Slurm lets it start again soon" within 60 on ctl scontrol update "JobId=$job" StartTime=now+2
check "it goes on from the first checkpoint" within 60 goes_on_from 1
check "and counts beyond where it had been" counts_beyond "$((before + 30))"
check "every line is there once" exact
check "it is saved" alice holon checkpoint "$job" --wait
lacks "nothing is left of the one that failed" part "$(files)"
newest=$(files)
newest=${newest% } newest=${newest##* }
alice scancel "$job"
check "it is cancelled" wait_for_job "$job" 60

# --- A manifest that is cut off
alice truncate -s 200 ".holon/checkpoints/$job/$newest/manifest.json"
check "alice wants to go on from it" within 20 goes_on --vm-restart="$job" -o "$out/cut.out" count.sh
cut=$(<"$work/id")
check "the job ends" wait_for_job "$cut" 60
equal "as failed" FAILED "$(job_state "$cut")"
shows "in one line that says what is good" "/$newest: manifest: .*cut short; .*--vm-restart=/home/alice/.holon/checkpoints/$job/1$" "$(said cut.out)"
lacks "before anything was started" 'goes on from|booted' "$(said cut.out)"

nothing_is_left "a power cut"
finish

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A job is saved before its time limit, and says how to go on; one is saved and requeued when its node is drained, and
# goes on elsewhere. Both count, and lose nothing.
# shellcheck source=tests/integration/session.bash
source "$(dirname "$0")/../session.bash"

out=/shared/limits.$$
alice mkdir "$out"
clean_up() {
    on ctl scancel -u alice
    on ctl scontrol update NodeName=n2 State=RESUME 2>/dev/null
    alice rm -rf "$out" .holon
    rm -rf "$work"
}
trap clean_up EXIT

said() { alice cat "$out/$1.out" 2>/dev/null; }
count() { said "$1" | grep -c '^[0-9]'; }
more_than() { [[ $(count "$1") -gt $2 ]]; }
counts_beyond() { within 90 more_than "$1" "$2"; }
# 1, 2, 3 … without a gap, and but for Holon's own lines nothing else.
exact() {
    said "$1" | grep -v '^holon: ' | sed '$d' >"$work/printed"
    seq "$(wc -l <"$work/printed")" | cmp - "$work/printed"
}
alice tee count.sh >/dev/null <<'JOB'
#!/bin/sh
i=0
while :; do echo $((i += 1)); sleep 0.1; done
JOB
shows "it is refused beside a signal of the user's own" 'vm-checkpoint-before and --signal' \
    "$(alice sbatch --vm-cluster --vm-checkpoint-before=2 --signal=B:USR2 --wrap true 2>&1)"
limited=$(submit --time=6 --vm-cluster --vm-checkpoint-before=5 --mem=300 -w n1 -o "$out/limited.out" count.sh)

# --- A node is drained
moved=$(submit --vm-cluster --vm-checkpoint --mem=300 --exclude=n1,n3 -o "$out/moved.out" count.sh)
check "a job on n2 counts" counts_beyond moved 10
kept=$(submit --vm-cluster --mem=300 -w n2 -o "$out/kept.out" count.sh)
check "so does one without --vm-checkpoint" counts_beyond kept 5
shows "alice may not drain a node" 'only root' "$(alice holon drain n2 2>&1)"
drained=$(on ctl holon drain n2 2>&1)
shows "the job is saved and requeued" "^job $moved: saved as checkpoint 1 and requeued$" "$drained"
moves() { on ctl scontrol update "JobId=$moved" ExcNodeList=n2; }
check "it may start elsewhere" within 30 moves
shows "the other is not, and why is said" "job $kept: it has no --vm-checkpoint" "$drained"
shows "Slurm starts nothing there" 'drain' "$(on ctl sinfo -h -n n2 -o %T)"
before=$(count kept)
check "the other runs on" counts_beyond kept "$((before + 5))"
before=$(count moved)

# --- The time limit
saved() { said limited | grep -q "^holon: .*saved as checkpoint 1, [0-9]* seconds before the time limit; to go on from there: sbatch --vm-restart=$limited SCRIPT$"; }
check "a job is saved before its time limit, and says how to go on" within 60 saved
lacks "its script has not heard of it" 'USR1' "$(said limited)"
check "it counts on" counts_beyond limited "$(($(count limited) + 3))"
alice scancel "$limited"
check "it ends" wait_for_job "$limited" 60
goes_on() { alice sbatch --parsable --vm-restart="$limited" -o "$out/limited.out" count.sh >"$work/id"; }
before_limited=$(count limited)
check "alice goes on as it said" within 20 goes_on
check "the count goes on" counts_beyond limited "$((before_limited + 5))"
check "every line is there once" exact limited

check "the job of n2 goes on" counts_beyond moved "$((before + 5))"
check "every line of it is there once" exact moved
lacks "elsewhere" '^n2$' "$(on ctl squeue -h -j "$moved" -o %N)"
alice scancel "$moved" "$kept" "$(<"$work/id")"
for one in "$moved" "$kept" "$(<"$work/id")"; do check "job $one is cancelled" wait_for_job "$one" 60; done
check "n2 is in service again" on ctl scontrol update NodeName=n2 State=RESUME

nothing_is_left "jobs that were saved in time"
finish

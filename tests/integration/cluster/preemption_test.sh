#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Jobs of a partition with a grace are preempted by one of a higher priority: those with --vm-checkpoint are saved,
# requeued at once, and go on where they were; one without begins anew. Each step of the jobs depends on all before it,
# so a step that is lost, done twice or done on a machine that is not as it was shows in the output.
# shellcheck source=tests/integration/session.bash
source "$(dirname "$0")/../session.bash"

out=/shared/preemption.$$
alice mkdir "$out"
on ctl scontrol create PartitionName=low Nodes=ALL PriorityTier=1 PreemptMode=REQUEUE GraceTime=900
on ctl scontrol create PartitionName=plain Nodes=ALL PriorityTier=1 PreemptMode=REQUEUE
on ctl scontrol create PartitionName=high Nodes=ALL PriorityTier=10
clean_up() {
    on n1 umount -l /home/alice/.holon 2>/dev/null
    on ctl scancel -p low,plain,high
    within 30 unused
    local name
    for name in low plain high; do on ctl scontrol delete "PartitionName=$name"; done
    alice rm -rf "$out" .holon
    rm -rf "$work"
}
trap clean_up EXIT

unused() { [[ -z $(on ctl squeue -h -p low,plain,high) ]]; }
said() { alice cat "$out/$1.out" 2>/dev/null; }
steps() { said "$1" | grep -c '^step '; }
more_than() { [[ $(steps "$1") -gt $2 ]]; }
counts_beyond() { within 90 more_than "$1" "$2"; }
last_step() { said "$1" | sed -n 's/^step \([0-9]*\) .*/\1/p' | tail -n 1; }
knows_of_low() { on ctl grep -q '"grace_s":900' /var/lib/holon/controller/snapshot.json; }
# Every step once, in order, each made from the one before, and but for Holon's own lines nothing else.
exact() {
    said "$1" | grep -v '^holon: ' | sed '$d' | python3 -c '
import hashlib, sys
link = ""
for number, line in enumerate(sys.stdin, 1):
    link = hashlib.sha256(f"{link} {number}\n".encode()).hexdigest()
    if line != f"step {number} {link}\n":
        sys.exit(f"line {number}: {line}")
'
}
restarts() { on ctl scontrol -o show job "$1" | grep -o ' Restarts=[0-9]*' | cut -d= -f2; }
is_requeued() { job_is "$1" PENDING && [[ $(restarts "$1") -eq 1 ]]; }
# A job of high priority takes all nodes, and waits for the file that ends it.
takes_all_nodes() {
    alice rm -f "$out/end"
    high=$(submit -p high -N3 --exclusive -o /dev/null --wrap "until [ -e $out/end ]; do sleep 0.2; done")
}
gives_them_back() {
    alice touch "$out/end"
    wait_for_job "$high" 60
}
# It asks Slurm when it starts, and once a minute.
"$dc" restart ctl holond-controller >/dev/null
check "the controller's daemon knows of the partitions" within 90 knows_of_low

alice tee chain.sh >/dev/null <<'JOB'
#!/bin/sh
trap 'echo "holon: the script got USR2"' USR2
i=0
while :; do
    i=$((i + 1))
    link=$(echo "$link $i" | sha256sum | cut -d' ' -f1)
    echo "step $i $link"
    sleep 0.1
done
JOB
saved() { submit -p low --vm-cluster --vm-checkpoint --mem=300 "$@"; }
declare -A id
id[two]=$(saved -N2 -n2 -w n1,n2 -o "$out/two.out" chain.sh)
id[own]=$(saved --signal=B:USR2@600 -w n3 -o "$out/own.out" chain.sh)
id[steps]=$(saved --signal=USR2@600 -w n1 -o "$out/steps.out" chain.sh)
id[plain]=$(submit -p plain --vm-cluster --mem=300 -w n3 -o "$out/plain.out" chain.sh)
for name in two own steps plain; do check "job '$name' counts" counts_beyond $name 10; done

# --- Preempted
takes_all_nodes
for name in two own steps; do
    check "job '$name' is requeued as soon as it is saved" within 120 is_requeued "${id[$name]}"
done
check "the one of high priority runs" wait_until_running "$high" 60
declare -A before
for name in two own steps plain; do before[$name]=$(last_step $name); done
check "it ends" gives_them_back
for name in two own steps; do
    check "job '$name' goes on" counts_beyond $name $((before[$name] + 5))
    check "each of its steps is there once" exact $name
done
shows "a signal of the user's own reaches his script" '^holon: the script got USR2$' "$(said own)"
# Its file is cut back to the cut. What was printed later had been done before it, but was still on its way then.
at_cut() {
    local length
    length=$(alice holon checkpoint show "${id[$1]}" 1 | sed -n 's/^step batch .*stdout: its file had \([0-9]*\) bytes/\1/p')
    said "$1" | head -c "$length" | sed -n 's/^step \([0-9]*\) .*/\1/p' | tail -n 1
}
for name in two own steps; do
    cut=$(at_cut $name)
    check "of job '$name' it is known how far it had come at the cut" test -n "$cut"
    echo "# job '$name': $cut steps at the cut, ${before[$name]} when it ended, and it goes on with $((cut + 1))"
    check "job '$name' stood from the cut on" test "$((before[$name] - ${cut:-0}))" -le 50
done
check "one without --vm-checkpoint runs again" within 90 more_than plain 0
fresh=$(said plain | grep -m 1 -c '^step 1 ')
equal "and begins anew" 1 "$fresh"
echo "# job 'plain': ${before[plain]} steps before, and the next was 1: ${before[plain]} were lost"
for name in two own steps plain; do alice scancel "${id[$name]}"; done
for name in two own steps plain; do check "job '$name' is cancelled" wait_for_job "${id[$name]}" 60; done

# --- A job of srun, which cannot be requeued
alice srun -p low --vm-cluster --vm-checkpoint --mem=300 -w n2 -J asked \
    sh -c 'trap "echo got TERM" TERM; echo left >/tmp/left; i=0; while :; do echo $((i += 1)); sleep 0.1; done' >"$work/srun" 2>&1 &
asking=$!
prints() { [[ $(wc -l <"$work/srun") -gt 10 ]]; }
check "a job of srun prints" within 60 prints
job=$(on ctl squeue -h -n asked -o %i)

# --- and one that cannot be saved
fails=$(saved -w n1 -o "$out/fails.out" chain.sh)
check "a job counts whose checkpoints have no room" counts_beyond fails 5
check "it is saved before" alice holon checkpoint "$fails" --wait
on n1 mount -t tmpfs -o "size=1m,mode=0700,uid=1000" none /home/alice/.holon
takes_all_nodes
offered() { grep -q "preempted, and saved as checkpoint 1; sbatch --vm-restart=$job SCRIPT runs SCRIPT in these VMs" "$work/srun"; }
check "the user of srun is told how to go on" within 60 offered
lacks "and his program has not heard of it" 'got TERM' "$(<"$work/srun")"
shows "its VM stands" "^ *$job .* saved " "$(alice holon status)"
told() { said fails | grep -q '^holon: .*preempted: no checkpoint: .*; the job runs on until Slurm ends it$'; }
check "the user of the other is told why not" within 60 told
equal "once" 1 "$(said fails | grep -c 'no checkpoint')"
check "it runs on" counts_beyond fails "$(($(last_step fails) + 5))"
on n1 umount /home/alice/.holon
alice scancel "$high" "$job" "$fails"
for one in "$high" "$job" "$fails"; do check "job $one is cancelled" wait_for_job "$one" 60; done
wait $asking
shows "its checkpoint of before is whole" ': whole ' "$(alice holon checkpoint verify "$fails" 2>&1)"
goes_on() { alice sbatch --parsable --vm-restart="$job" -o "$out/left.out" --wrap 'cat /tmp/left' >"$work/id"; }
check "alice goes on with the VMs of srun" within 20 goes_on
check "the script ends" wait_for_job "$(<"$work/id")" 90
shows "it found what the program had left" '^left$' "$(said left)"

nothing_is_left "jobs that were preempted"
finish

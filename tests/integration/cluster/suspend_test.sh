#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# scontrol suspend stops the VMs of a job on all its nodes, whether a task of it is there or not; scontrol resume lets
# them go on. The job's programs count without pause, so that a VM that runs on shows in the CPU time of its QEMU, and
# what is lost in the output.
# shellcheck source=tests/integration/session.bash
source "$(dirname "$0")/../session.bash"

out=/shared/suspend.$$
alice mkdir "$out"
clean_up() {
    on ctl scancel -u alice
    alice rm -rf "$out" .holon
    rm -rf "$work"
}
trap clean_up EXIT

said() { alice cat "$out/$1" 2>/dev/null; }
count() { said "$1" | grep -c '^[0-9]'; }
more_than() { [[ $(count "$1") -gt $2 ]]; }
counts_beyond() { within 60 more_than "$1" "$2"; }
# What a program has printed is 1, 2, 3 … without a gap.
exact() { said "$1" | grep '^[0-9]' | cut -d' ' -f1 | sed '$d' | awk '$1 != NR { exit 1 }'; }
all_are() { ! alice holon status --job "$1" | sed 1d | grep -v " $2 "; }
are() { within "${3:-20}" all_are "$1" "$2"; }
slurm_says() { within 20 job_is "$1" "$2"; }
# The CPU time of a VM's QEMU on NODE, in ticks.
cpu_of() {
    # shellcheck disable=SC2016
    on "$1" sh -c 'cut -d")" -f2 "/proc/$(cat "/run/libvirt/qemu/$1.pid")/stat"' sh "holon-$2" | awk '{ print $12 + $13 }'
}
# Ticks that it takes within a while (no event says that something goes on not happening).
takes() {
    local before
    before=$(cpu_of "$1" "$2")
    sleep 3
    echo $(($(cpu_of "$1" "$2") - before))
}
# Seconds from the time that the program's last line bears to the host's.
behind() { echo $(($(date +%s) - $(said "$1" | grep '^[0-9]' | tail -n 1 | cut -d' ' -f2))); }

alice tee count.sh >/dev/null <<'JOB'
#!/bin/sh
while :; do :; done &
i=0
while :; do echo "$((i += 1)) $(date +%s)"; sleep 0.1; done
JOB

# --- A batch job, whose script runs in vm0 on n1; on n2 nothing of Slurm's runs but the extern step
job=$(submit --vm-cluster -N2 -n2 --mem=300 -w n1,n2 -o "$out/count" count.sh)
check "a job counts" counts_beyond count 10
check "Slurm suspends it" on ctl scontrol suspend "$job"
since=$(date +%s)
check "its VMs stand" are "$job" suspended
for vm in n1:vm0 n2:vm1; do
    used=$(takes "${vm%:*}" "$job.0-${vm#*:}")
    check "${vm#*:} takes no CPU ($used ticks in 3 s)" test "$used" -le 5
done
was=$(count count)
refused=$(alice holon checkpoint "$job" --wait 2>&1)
shows "it cannot be saved meanwhile" "job $job: it is suspended" "$refused"
equal "which is one line" 1 "$(wc -l <<<"$refused")"
for node in n1 n2; do
    "$dc" kill "$node" holond >/dev/null
    "$dc" start "$node" holond >/dev/null
done
check "new daemons find it suspended" are "$job" suspended
used=$(takes n1 "$job.0-vm0")
check "and let it stand ($used ticks in 3 s)" test "$used" -le 5
equal "its output has not grown" "$was" "$(count count)"

check "Slurm resumes it" on ctl scontrol resume "$job"
stood=$(($(date +%s) - since))
check "its VMs run" are "$job" running
check "it counts on" counts_beyond count $((was + 20))
late=$(behind count)
check "its clock is right (it stood for $stood s, and is $late s behind)" test "$late" -lt $((stood / 2))
check "its output is whole" exact count
check "and it can be saved" alice holon checkpoint "$job" --wait

# --- Suspended again, and cancelled
check "Slurm suspends it again" on ctl scontrol suspend "$job"
check "its VMs stand again" are "$job" suspended
alice scancel "$job"
check "it is cancelled" wait_for_job "$job" 60
equal "as such" CANCELLED "$(job_state "$job")"

# --- A job that is suspended while its VMs boot, with no task at all
check "a job of salloc is given its nodes" alice salloc --no-shell --vm-cluster -N2 -n2 --mem=300 -w n2,n3 -J idle
job=$(on ctl squeue -h -n idle -o %i)
check "Slurm suspends it" on ctl scontrol suspend "$job"
check "so Slurm says" slurm_says "$job" SUSPENDED
check "its VMs stand" are "$job" suspended
check "Slurm resumes it" on ctl scontrol resume "$job"
check "its VMs boot on" are "$job" running 60
check "Slurm suspends it when they have booted" on ctl scontrol suspend "$job"
check "they stand" are "$job" suspended
check "Slurm resumes it again" on ctl scontrol resume "$job"
check "they run" are "$job" running
equal "a step runs in both" "vm0 vm1 " "$(alice srun --jobid="$job" hostname 2>"$work/err" | sort | tr '\n' ' ')"
alice scancel "$job"
check "it ends" wait_for_job "$job" 60

nothing_is_left "jobs that were suspended"
finish

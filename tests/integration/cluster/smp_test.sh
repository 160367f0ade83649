#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# One virtual SMP of several nodes: batch script, steps and shell run on one machine with the CPUs of all, unmodified
# threads use them, and what goes wrong says so. Programs are from tests/ssi/programs.
# shellcheck source=tests/integration/session.bash
source "$(dirname "$0")/../session.bash"

programs=$top/build/${HOLON_PRESET:-release}/tests/ssi/programs
out=/shared/smp.$$
alice mkdir "$out"
trap 'on ctl rm -rf "$out"; rm -rf "$work"' EXIT

said() { alice cat "$out/$1" 2>/dev/null; }
says() { grep -qE -- "$2" <<<"$(said "$1")"; }

# --- A batch script, with a program of 6 threads
alice tee "$out/ep-static" <"$programs/ep-static" >/dev/null
alice tee smp.sh >/dev/null <<'JOB'
#!/bin/sh
echo "$(hostname): $(nproc) CPUs, Slurm says $SLURM_JOB_NUM_NODES node $SLURM_JOB_NODELIST with $SLURM_CPUS_ON_NODE"
echo "really $HOLON_HOST_NODELIST with $HOLON_HOST_CPUS_PER_NODE"
echo "$(grep -c ^processor /proc/cpuinfo) in cpuinfo, $(ls -d /sys/devices/system/node/node* | wc -l) NUMA nodes"
ssi nodes
cat >/tmp/ep && chmod +x /tmp/ep
/tmp/ep S 6
echo "ep ended with $?"
sleep 1000
JOB
job=$(submit --vm-smp -N3 -n 6 -i "$out/ep-static" -o "$out/smp.out" smp.sh)
check "the script runs to its last line" within 90 says smp.out '^ep ended'
output=$(said smp.out)
shows "its machine has one name and the CPUs of three nodes, and so says Slurm" \
    "^smp-$job: 6 CPUs, Slurm says 1 node smp-$job with 6\$" "$output"
shows "the real layout is under HOLON_*" '^really n\[1-3\] with 2,2,2$' "$output"
shows "/proc and /sys show the whole" '^6 in cpuinfo, 3 NUMA nodes$' "$output"
equal "three nodes are up" 3 "$(grep -cE '^[0-2] +vm[0-2] .* 2 +up$' <<<"$output")"
equal "an unmodified program of 6 threads gives what it gives natively" "$("$programs/ep-static" S 6)" \
    "$(grep -A20 '^2 *vm2\|^[0-2] .*up$' <<<"$output" | grep -vE 'up$|^ep ended')"
shows "with success" '^ep ended with 0$' "$output"
for vm in vm1 vm2; do
    console=$(alice timeout 60 holon console -j "$job" "$vm" </dev/null 2>&1)
    shows "$vm spent CPU time on its threads" 'was process [0-9]+: CPU time ([1-9]|0\.[0-9]*[1-9])' "$console"
done
status=$(alice holon status)
shows "holon status shows it as one machine" "^ *$job +smp-$job +n\\[1-3\\] +6 +[0-9:]+ .* running " "$status"
shows "with its parts" "^ +vm2 +n3 +2 +[0-9:]+ .* running " "$status"
shows "holon top asks the engine on it" '^PID +USER +PROGRAM|^no program of yours has threads' "$(alice holon top "$job" -- --once 2>&1)"

# --- A part of it dies
on n3 kill -KILL "$(on n3 cat "/run/libvirt/qemu/holon-$job.0-vm2.pid")"
check "the job ends when a VM dies" wait_for_job "$job" 40
equal "it fails" "FAILED 1:0" "$(job_state "$job") $(job_exit "$job")"
usage=$(alice holon usage "$job")
shows "what it used is known after its end" "^ +0 +vm0 +n1 +2 +[0-9:]+ +0?[0-9]+:[0-9]+ " "$usage"
lacks "to nobody else" vm0 "$(bob holon usage "$job" 2>&1)"
shows "and the VM and its node are named" "^holon: job $job: vm2 on n3: its QEMU was killed" "$(said smp.out)"

# --- Steps: each task starts on the one machine, whichever node Slurm gave it
output=$(alice srun --vm-smp -N2 -n 4 -l sh -c 'echo $(hostname) $SLURM_PROCID $SLURM_LOCALID $SLURM_NODEID $(nproc)' 2>/dev/null)
equal "srun -n 4: four tasks of one machine" "4 0 0 0,4 1 1 0,4 2 2 0,4 3 3 0" \
    "$(sed -E 's/^[0-9]+: smp-[0-9]+ ([0-9]+ [0-9]+ [0-9]+) ([0-9]+)$/\2 \1/' <<<"$output" | sort | paste -sd,)"

# --- The daemons of both nodes are killed under a step: n1 has the machine, n2 passes on
alice tee "$out/count.sh" >/dev/null <<'STEP'
i=0
while [ $i -lt 60 ]; do i=$((i + 1)); echo "$SLURM_PROCID counts $i"; sleep 0.25; done
STEP
alice sh -c "srun --vm-smp -w n1,n2 -N2 -n 2 sh -c \"\$(cat $out/count.sh)\" >$out/count.out 2>$out/count.err" &
check "both tasks count" within 60 says count.out '^1 counts 3$'
"$dc" kill n2 holond
"$dc" start n2 holond
check "they go on counting without the holond of a task's node" within 20 says count.out '^1 counts 20$'
"$dc" kill n1 holond
"$dc" start n1 holond
wait $!
equal "and without the machine's, and the step ends well" 0 $?
for task in 0 1; do
    equal "every line of task $task came, once and in order" "$(seq -s ' ' 60)" \
        "$(said count.out | sed -n "s/^$task counts //p" | paste -sd' ')"
done

# --- A step that is cancelled leaves nothing on the machine
alice tee steps.sh >/dev/null <<'STEPS'
#!/bin/bash
srun -n 2 sleep 1234 &
step=$!
running() { [[ $(srun -n 1 --overlap ps | grep -c 'sleep 1234') = "$1" ]]; }
for try in 1 2 3 4 5 6 7 8; do running 2 && break; done && echo "two run"
kill $step
for try in 1 2 3 4 5 6 7 8; do running 0 && break; done && echo "none runs"
STEPS
output=$(limit=120 alice salloc --no-vm --vm-smp -w n1,n2 -N2 -n 2 bash steps.sh 2>&1)
shows "a step on two nodes runs on the one machine" '^two run$' "$output"
shows "and is gone when it is cancelled" '^none runs$' "$output"

# --- An interactive shell
alice tee salloc.exp >/dev/null <<'END'
set timeout 90
proc expected {what pattern} {
    expect -re $pattern { puts "\n== $what yes" } timeout { puts "\n== $what no"; exit 1 } eof { puts "\n== $what eof"; exit 1 }
}
spawn salloc --vm-smp -n 3 -N2
expected shell {[$#] $}
send "PS1='ready''> '; hostname\r"
expected name {\nsmp-[0-9]+\r}
expected again {ready> $}
send "nproc\r"
expected cpus {\n3\r}
expected again {ready> $}
send "ssi ps\r"
expected processes {bash}
expected again {ready> $}
send "exit\r"
expected left {Relinquishing}
END
output=$(limit=150 alice env TERM=xterm expect salloc.exp 2>&1)
for what in shell name cpus processes left; do shows "salloc's shell: $what" "^== $what yes" "$output"; done

# --- What cannot be
refused() { shows "$1" "$2" "$(alice sbatch --vm-smp "${@:3}" --wrap true 2>&1)"; }
refused "tasks cannot be dealt to its nodes" 'ntasks-per-node: --vm-smp gives one machine' --ntasks-per-node=2 -N2
refused "nor distributed" 'distribution: --vm-smp gives one machine' -n 2 --distribution=cyclic
refused "it cannot be without its network" 'vm-network=none' -n 2 --vm-network=none
refused "nor have more nodes than the engine" 'at least 40 nodes' -N 40
equal "and nothing is queued" "" "$(alice squeue -h -t PD,R)"

nothing_is_left "virtual SMPs"
finish

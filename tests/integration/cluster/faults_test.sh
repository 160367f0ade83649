#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What goes wrong under jobs: guests that never boot, QEMUs that are killed, daemons that are killed, replaced and
# restarted, jobs that are cancelled, requeued, over their time or memory, and a power cut. Whatever it is, the job ends
# with a reason (or does not notice), nothing of it is left, and no node is drained.
# shellcheck source=tests/integration/session.bash
source "$(dirname "$0")/../session.bash"

images=/var/lib/holon/images
out=/shared/faults.$$
alice mkdir "$out"
trap 'on ctl rm -rf "$images/mute" "$images/dead" "$out"; rm -rf "$work"' EXIT

# image NAME COMMAND_LINE: tiny's files with a command line of its own.
image() {
    on ctl sh -c "mkdir $images/$1 && cp $images/tiny/vmlinux $images/tiny/initrd.cpio $images/$1/ &&
        printf 'kernel: vmlinux\ninitrd: initrd.cpio\nmin_memory_mb: 112\ncommand_line: \"%s\"\n' '$2' >$images/$1/image.yaml"
}
# qemu_of NODE JOB VM: its pid on the node.
qemu_of() { on "$1" cat "/run/libvirt/qemu/holon-$2.0-$3.pid" 2>/dev/null; }
has_qemu() { [[ -n $(qemu_of "$@") ]]; }
said() { alice cat "$out/$1" 2>/dev/null; }
says() { grep -qE -- "$2" <<<"$(said "$1")"; }
# All nodes are asked for: of one alone (-n) slurmctld 22.05 may show a state from before its jobs ended.
node_is_idle() { on ctl sinfo -h -N -o '%N %t' | grep -qx "$1 idle"; }
one_vm=(--vm-cluster -N1 -n1 --mem=400)
rest='sleep 1000 & wait'

# --- Time limit: its minute passes on n3 while the rest is tried on n1 and n2.
late=$(submit "${one_vm[@]}" -w n3 -t 1 -o "$out/late.out" --wrap "$rest")

# --- Guests that never answer
image mute 'rdinit=/bin/sh loglevel=7'
image dead 'rdinit=/nosuch init=/nosuch loglevel=7'
check "new images are known at submit within seconds" within 20 \
    bash -c "'$dc' exec-as alice ctl sbatch --test-only --vm-cluster --vm-image=mute --wrap true && '$dc' exec-as alice ctl sbatch --test-only --vm-cluster --vm-image=dead --wrap true"
mute=$(submit "${one_vm[@]}" -w n1 --vm-image=mute --vm-boot-timeout=0:20 -o "$out/mute.out" --wrap 'echo it ran')
dead=$(submit "${one_vm[@]}" -w n2 --vm-image=dead --vm-boot-timeout=2:00 -o "$out/dead.out" --wrap 'echo it ran')
check "a job whose guest never answers ends" wait_for_job "$mute" 60
equal "it fails" "FAILED 1:0" "$(job_state "$mute") $(job_exit "$mute")"
shows "its stderr says why" "^holon: job $mute: (vm0 on n1: no answer from the guest in time|0 of 1 VMs were ready when the boot time-out passed)" \
    "$(said mute.out)"
shows "and shows the console's last lines" '^holon: console: .+' "$(said mute.out)"
lacks "its script did not run" 'it ran' "$(said mute.out)"
check "a job whose guest's kernel stops ends long before the time-out" wait_for_job "$dead" 30
equal "it fails too" "FAILED 1:0" "$(job_state "$dead") $(job_exit "$dead")"
shows "and says that the guest ended" "^holon: job $dead: vm0 on n2: the guest ended" "$(said dead.out)"
shows "with the kernel's last words" 'console: .*(panic|not syncing|init)' "$(said dead.out)"

# --- A QEMU is killed in mid-job
for victim in "n2 vm1" "n1 vm0"; do
    read -r node vm <<<"$victim"
    job=$(submit --vm-cluster -N2 -n2 --mem=400 -w n1,n2 -o "$out/killed-$vm.out" --wrap "echo up; $rest")
    check "a job on n1 and n2 is up" within 60 says "killed-$vm.out" '^up$'
    on "$node" kill -KILL "$(qemu_of "$node" "$job" "$vm")"
    check "the job ends when the QEMU of $vm on $node is killed" wait_for_job "$job" 30
    equal "it fails" "FAILED 1:0" "$(job_state "$job") $(job_exit "$job")"
    shows "the reason names VM and node" "^holon: job $job: $vm on $node: its QEMU was killed" "$(said "killed-$vm.out")"
done

# --- Daemons go and come back under a job that prints
seq 1 300000 >"$work/expected"
alice tee print.sh >/dev/null <<'JOB'
#!/bin/sh
for i in $(seq 0 299); do seq $((i * 1000 + 1)) $((i * 1000 + 1000)); sleep 0.1; done
JOB
job=$(submit "${one_vm[@]}" -w n1 -o "$out/print.out" -e "$out/print.err" print.sh)
lines() { [[ $(alice wc -l "$out/print.out" 2>/dev/null | cut -d' ' -f1) -ge $1 ]]; }
restart_holond() {
    "$dc" kill n1 holond && "$dc" start n1 holond
}
check "a VM is being booted" within 30 has_qemu n1 "$job" vm0
check "holond is killed while the VM boots, and comes back" restart_holond
check "the job prints" within 60 lines 1000
check "holond is killed under the job, and comes back" restart_holond
check "the job prints on" within 60 lines 60000
mkdir -p "$work/newer/usr/sbin"
on n1 cat /usr/sbin/holond >"$work/newer/usr/sbin/holond"
echo newer >>"$work/newer/usr/sbin/holond"
chmod 0755 "$work/newer/usr/sbin/holond"
check "holond is replaced by a newer build" "$dc" install n1 "$work/newer"
check "and restarted with it" "$dc" restart n1 holond
check "the job prints on" within 60 lines 100000
check "libvirtd is restarted" "$dc" restart n1 libvirtd
check "slurmd is restarted" "$dc" restart n1 slurmd
check "the job ends" wait_for_job "$job" 120
equal "and has noticed nothing" "COMPLETED 0:0" "$(job_state "$job") $(job_exit "$job")"
alice cat "$out/print.out" >"$work/printed"
check "every byte that it printed is there once" cmp "$work/expected" "$work/printed"
lacks "and nobody complains on stderr" 'error|holond|lost' "$(said print.err)"

# --- Memory and CPUs
# The VM's size leaves room for QEMU itself, so its guest alone cannot pass the limit; with a step on the host it can.
alice tee memory.sh >/dev/null <<'JOB'
#!/bin/sh
echo up
until [ -e /tmp/go ]; do sleep 0.1; done
dd if=/dev/zero of=/dev/shm/full bs=1M count=60 2>/dev/null
echo filled
sleep 1000
JOB
job=$(submit "${one_vm[@]}" -c1 -w n1 -o "$out/memory.out" memory.sh)
check "a job that will use too much memory is up" within 60 says memory.out '^up$'
pid=$(qemu_of n1 "$job" vm0)
equal "the vCPUs stay on the CPUs that Slurm gave the job" \
    "$(alice srun --jobid="$job" --overlap --no-vm sed -n 's/^Cpus_allowed_list:\s*//p' /proc/self/status)" \
    "$(on n1 sed -n 's/^Cpus_allowed_list:\s*//p' "/proc/$pid/status")"
alice srun --jobid="$job" --overlap touch /tmp/go
alice srun --jobid="$job" --overlap --no-vm python3 -c \
    'import time; held = []
for i in range(350): held.append(bytearray(b"x") * 2**20); time.sleep(0.05)' >/dev/null 2>&1 &
check "the job ends" wait_for_job "$job" 60
wait
lacks "not with success" COMPLETED "$(job_state "$job")"
shows "its output names the VM and the limit" 'vm0 on n1: .*memory limit on the node \([0-9]+ MB\)' "$(said memory.out)"

# --- The user ends it, or Slurm does
job=$(submit "${one_vm[@]}" -w n1 -o "$out/early.out" --wrap 'echo it ran')
check "a VM is being booted" within 30 has_qemu n1 "$job" vm0
alice scancel "$job"
check "a job cancelled while it boots ends" wait_for_job "$job" 30
equal "as cancelled" CANCELLED "$(job_state "$job")"
lacks "its script did not run" 'it ran' "$(said early.out)"

job=$(submit "${one_vm[@]}" -w n1 --requeue --open-mode=append -o "$out/again.out" --wrap \
    "echo run \${SLURM_RESTART_COUNT:-0} in \$(hostname); [ \"\${SLURM_RESTART_COUNT:-0}\" = 1 ] || { $rest; }")
check "the first run is up" within 60 says again.out '^run 0 in vm0$'
on ctl scontrol requeue "$job"
check "the job is requeued" within 30 job_is "$job" PENDING
check "nothing of the first run is left" on n1 holon doctor --leaks --expect-none
# Slurm puts it off for two minutes; seconds it must be, because slurmd of 22.05 forgets ended jobs every two seconds
# only, and runs no prolog for a job that it remembers.
check "Slurm lets it start again soon" within 30 on ctl scontrol update "JobId=$job" StartTime=now+5
check "the second run works" within 90 says again.out '^run 1 in vm0$'
check "and ends" wait_for_job "$job" 30
equal "as completed" "COMPLETED 0:0" "$(job_state "$job") $(job_exit "$job")"

check "the job over its time limit ends" wait_for_job "$late" 120
equal "for that reason" TIMEOUT "$(job_state "$late")"

# --- A power cut
job=$(submit --vm-cluster -N2 -n2 --mem=400 --no-requeue -w n2,n3 -o "$out/power.out" --wrap "echo up; $rest")
check "a job on n2 and n3 is up" within 60 says power.out '^up$'
check "n3 loses its power" "$dc" poweroff n3
check "n3 is on again" "$dc" poweron n3
check "the job has ended" wait_for_job "$job" 90
lacks "not with success" 'COMPLETED' "$(job_state "$job")"
check "n3 is back in Slurm" within 60 node_is_idle n3

nothing_is_left "these faults"
finish

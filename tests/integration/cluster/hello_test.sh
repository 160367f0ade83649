#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The sessions that the README opens with: sbatch, srun, salloc and holon status.
# shellcheck source=tests/integration/session.bash
source "$(dirname "$0")/../session.bash"

alice tee hello.sh >/dev/null <<'JOB'
#!/bin/sh
hostname
id -un
cat /etc/hosts | grep vm
cat $HOLON_HOSTFILE
echo "$SLURM_JOB_NUM_NODES nodes, $HOLON_NODELIST, VM $HOLON_VM_ID"
for vm in vm1 vm2; do ping -c 1 -q $vm | grep received; done
JOB

job=$(submit --vm-cluster -N3 --ntasks-per-node=2 -o /shared/hello.out hello.sh)
shows "sbatch --vm-cluster is accepted" '^[0-9]+$' "$job"
check "the job is running or done within a minute" within 60 job_is "$job" 'RUNNING|COMPLETED'
check "the job ends" wait_for_job "$job"
equal "the job completes" COMPLETED "$(job_state "$job")"
output=$(alice cat /shared/hello.out)
shows "the script runs in vm0" '^vm0$' "$output"
shows "as the user who submitted it" '^alice$' "$output"
shows "vm2 is in /etc/hosts" '^10\.77\.0\.3[[:space:]]+vm2' "$output"
shows "the hostfile names vm1 with its CPUs as slots" '^vm1 slots=2$' "$output"
shows "the environment is Slurm's and Holon's" '^3 nodes, vm\[0-2\], VM 0$' "$output"
equal "both other VMs answer on the private network" 2 "$(grep -c '1 packets received' <<<"$output")"
shows "the progress is told on stderr" 'booted [0-9]/3' "$output"

output=$(alice srun --vm-cluster -N3 hostname 2>"$work/err")
equal "srun --vm-cluster -N3 hostname answers from every VM" "vm0 vm1 vm2" "$(sort <<<"$output" | tr '\n' ' ' | sed 's/ $//')"
shows "srun says when the VMs are ready" 'ready after [0-9.]+ s' "$(cat "$work/err")"

job=$(submit --vm-cluster -N2 -o /shared/status.out --wrap 'while [ ! -e /tmp/end ]; do read -t 1 x < /dev/zero; done; sleep 60')
wait_until_running "$job"
check "holon status shows both VMs running" within 60 bash -c "$(declare -f alice); dc=$dc; alice holon status | grep -c running | grep -qx 2"
status=$(alice holon status)
shows "holon status shows job, VM, node, vCPUs, memory, state and address" "$job +vm1 +n2 +[0-9]+ +[0-9]+.* +running .*10\.77\.0\.2" "$status"
lacks "bob does not see alice's VMs" vm1 "$(bob holon status 2>&1)"
shows "holon status --json is JSON with the VMs" '"vm": ?"vm1"' "$(alice holon status --json)"
alice scancel "$job"
check "the cancelled job ends" wait_for_job "$job"

nothing_is_left "these jobs"
finish

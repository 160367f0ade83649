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
shows "the progress is told on stderr" 'booted [0-9]/3' "$output"

output=$(alice srun --vm-cluster -N3 hostname 2>"$work/err")
equal "srun --vm-cluster -N3 hostname answers from every VM" "vm0 vm1 vm2" "$(sort <<<"$output" | tr '\n' ' ' | sed 's/ $//')"
shows "srun says when the VMs are ready" 'ready after [0-9.]+ s' "$(cat "$work/err")"

alice tee greet.sh >/dev/null <<'STEP'
if [ $HOLON_VM_ID = 0 ]; then
    mkfifo /tmp/open # never at its end: nc would tell the sender so, who may then end before it has sent
    for vm in 1 2; do nc -l -p 700$vm <>/tmp/open; done
else
    until echo "greetings from $(hostname)" | nc -w 10 vm0 700$HOLON_VM_ID 2>/dev/null; do sleep 0.5; done
fi
STEP
output=$(alice sh -c 'srun -t 6 --vm-cluster -N3 sh -c "$(cat greet.sh)"' 2>/dev/null)
equal "VMs on different nodes talk over the job's private network" "greetings from vm1 greetings from vm2" \
    "$(sort <<<"$output" | tr '\n' ' ' | sed 's/ $//')"

job=$(submit --vm-cluster -N2 -o /shared/status.out --wrap 'sleep 600')
wait_until_running "$job"
both_run() {
    alice holon status >"$work/status"
    [[ $(grep -c " running " "$work/status") = 2 ]]
}
if within 60 both_run; then
    pass "holon status shows both VMs running"
else
    fail "holon status shows both VMs running" "$(cat "$work/status")"
fi
status=$(alice holon status)
shows "holon status shows job, VM, node, vCPUs, memory, state and address" "$job +vm1 +n[23] +[0-9]+ +[0-9]+.* +running .*10\.77\.0\.2" "$status"
lacks "bob does not see alice's VMs" vm1 "$(bob holon status 2>&1)"
shows "holon status --json is JSON with the VMs" '"vm": ?"vm1"' "$(alice holon status --json)"
alice scancel "$job"
check "the cancelled job ends" wait_for_job "$job"

nothing_is_left "these jobs"
finish

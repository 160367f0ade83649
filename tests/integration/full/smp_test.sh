#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A virtual SMP of 6 CPUs from fragments of three nodes, 3 + 2 + 1: what people run on machines with many CPUs gives what
# it gives natively; and a computation of 6 threads is saved at random moments, goes on elsewhere each time, is preempted,
# and ends with the same bits. smp_test.sh [programs] [chain] [preempted]: all, unless some are named.
export HOLON_DEVCLUSTER=smp
top=$(readlink -f "$(dirname "${BASH_SOURCE[0]}")/../../..")
"$top/scripts/devcluster" down >/dev/null 2>&1
trap '"$top/scripts/devcluster" down >/dev/null 2>&1' EXIT
"$top/scripts/devcluster" up --nodes 6 --cpus 3 --mem 3000 || exit 1
# shellcheck source=tests/integration/session.bash
source "$top/tests/integration/session.bash"
setting=/proc/sys/vm/unprivileged_userfaultfd
setting_was=$(cat $setting)
echo 1 >$setting
trap 'echo "$setting_was" >$setting; "$dc" down >/dev/null 2>&1; rm -rf "$work"' EXIT
seed=${HOLON_TEST_SEED:-$(date +%s)}
echo "# HOLON_TEST_SEED=$seed"
RANDOM=$seed

build=${HOLON_BUILD:-$top/build/release}
out=/shared/smp
alice mkdir "$out"
said() { alice cat "$out/$1" 2>/dev/null; }
says() { grep -qE -- "$2" <<<"$(said "$1")"; }

# Others have CPUs of n2 and n3.
others=$(submit -w n2 -n 1 --mem=100 -o /dev/null --wrap 'sleep 100000')
others+=" $(submit -w n3 -n 2 --mem=100 -o /dev/null --wrap 'sleep 100000')"
fragments=(--vm-smp -n 6 --mem-per-cpu=500 --vm-image=debian)

# --- What people run
run_programs() {
    mkdir "$work/programs"
    cp "$build"/tests/ssi/programs/{ep,omp_matrix} "$top/tests/integration/smp.d/programs.sh" "$work/programs"
    tar c -C "$work" programs | alice tee "$out/programs.tar" >/dev/null
    alice tee programs.sh >/dev/null <<'JOB'
#!/bin/bash
cd /tmp && tar x
echo "CPUs: $(nproc), $HOLON_HOST_NODELIST $HOLON_HOST_CPUS_PER_NODE"
bash programs/programs.sh 6
echo "== slept"
sleep 10000
JOB
    job=$(submit "${fragments[@]}" -x 'n[4-6]' -i "$out/programs.tar" -o "$out/programs.out" programs.sh)
    check "programs run on 6 CPUs of three nodes" within 150 says programs.out '^== slept'
    shows "which gave 3, 2 and 1" '^CPUs: 6, n\[1-3\] 3,2,1$' "$(said programs.out)"
    equal "and give what they give natively" "$(bash "$work/programs/programs.sh" 6 2>&1)" \
        "$(said programs.out | sed -n '/^== ep/,/^== end/p')"
    spent() { alice holon console -j "$job" "$1" </dev/null | grep 'was process' | sed 's/.*was process/# '"$1"': process/'; }
    for vm in vm1 vm2; do
        seconds=$(spent "$vm")
        echo "$seconds"
        shows "$vm spent CPU time on them" 'CPU time [1-9]' "$seconds"
    done
    alice scancel "$job"
    check "it is cancelled" wait_for_job "$job" 60

}

# --- Saved at random moments, going on elsewhere
rounds=150
expected=$("$build/tests/integration/smp.d/smp-test-chain" "$rounds" 2)
alice tee "$out/chain" <"$build/tests/integration/smp.d/smp-test-chain" >/dev/null
alice tee chain.sh >/dev/null <<JOB
#!/bin/bash
cat >/tmp/chain && chmod +x /tmp/chain && exec /tmp/chain $rounds 6
JOB
round() { said "$computing.out" | awk '/^round / { last = $2 } END { print last + 0 }'; }
beyond() { [[ $(round) -gt $1 ]]; }
nodes_of() { alice holon status --job "$1" --json | python3 -c '
import json, sys
print(*sorted({vm["node"] for vm in json.load(sys.stdin)["vms"]}))'; }
goes_on() { alice sbatch --parsable "$@" >"$work/id"; }
run_chain() {
    computing=chain
    job=$(submit "${fragments[@]}" -x 'n[4-6]' -i "$out/chain" -o "$out/chain.out" --vm-checkpoint chain.sh)
    check "a computation of 6 threads has begun" within 90 beyond 2
    for turn in 1 2 3 4 5; do
        sleep "$((RANDOM % 3)).$((RANDOM % 10))"
        was=$(round)
        check "turn $turn: it is saved about round $was" alice holon checkpoint "$job" --wait
        sleep "$((RANDOM % 2)).$((RANDOM % 10))"
        read -ra nodes <<<"$(nodes_of "$job")"
        # One of its VMs is killed; it must not be what goes on.
        on "${nodes[0]}" sh -c 'kill -KILL $(cat /run/libvirt/qemu/holon-'"$job"'.0-vm*.pid)'
        check "its VM on ${nodes[0]} is killed, and it ends" wait_for_job "$job" 60
        before=$(round)
        last=$job
        [[ $turn != 1 ]] || { for other in $others; do alice scancel "$other"; done; }
        check "one that goes on from it is submitted" within 20 goes_on --vm-restart="$job" --vm-checkpoint \
            --exclude="$(IFS=, && echo "${nodes[*]}")" -i "$out/chain" -o "$out/chain.out" chain.sh
        job=$(<"$work/id")
        check "it computes on" within 120 beyond "$((before + 1))"
        lacks "where no VM of it had been" "\\b($(IFS='|' && echo "${nodes[*]}"))\\b" "$(nodes_of "$job")"
        check "the checkpoint before is removed" alice holon checkpoint rm "$last" --all
        [[ $failures -eq 0 ]] || { said chain.out | tail -n 5; break; }
    done
    alice scancel "$job"
    check "it is cancelled" wait_for_job "$job" 60

    saved=$(said chain.out | grep '^round ')
    equal "it computed what it computes natively, each line once" "$(head -n "$(wc -l <<<"$saved")" <<<"$expected" | md5sum)" \
        "$(md5sum <<<"$saved")"
}

# --- Preempted
run_preempted() {
    computing=low
    on ctl scontrol create PartitionName=low Nodes=ALL PriorityTier=1 PreemptMode=REQUEUE GraceTime=900 >/dev/null
    on ctl scontrol create PartitionName=high Nodes=ALL PriorityTier=10 >/dev/null
    "$dc" restart ctl holond-controller >/dev/null
    knows_of_low() { on ctl grep -q '"grace_s":900' /var/lib/holon/controller/snapshot.json; }
    check "the controller's daemon knows of the partitions" within 90 knows_of_low
    job=$(submit -p low "${fragments[@]}" -N3 -i "$out/chain" -o "$out/low.out" --vm-checkpoint chain.sh)
    check "it computes in a partition with grace" within 90 beyond 5
    # They are in no partition that yields.
    for other in $others; do alice scancel "$other"; done
    high=$(submit -p high -N6 --exclusive -o /dev/null --wrap "until [ -e $out/end ]; do sleep 0.2; done")
    is_requeued() { [[ $(on ctl scontrol -o show job "$job" | grep -o ' Restarts=[0-9]*' | cut -d= -f2) -eq 1 ]]; }
    check "it is preempted, saved and requeued" within 120 is_requeued
    was=$(round)
    alice touch "$out/end"
    check "the other job ends" wait_for_job "$high" 120
    check "it goes on" within 180 beyond "$((was + 1))"
    check "and ends" wait_for_job "$job" 200
    equal "well" "COMPLETED 0:0" "$(job_state "$job") $(job_exit "$job")"
    equal "with what it computes natively, each line once" "$(md5sum <<<"$expected")" "$(said low.out | grep -v '^holon: ' | md5sum)"
}

[[ $# -gt 0 ]] || set -- programs chain preempted
for part in "$@"; do "run_$part"; done
nothing_is_left "virtual SMPs"
finish

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# rounds.sh [ROUNDS]: a message of MPI goes round four VMs on three nodes, with a chain of hashes over every one of
# them. The job is saved at random moments, one of its QEMUs is killed, and it goes on, elsewhere: no message is lost, comes
# twice or is of another time, and the output file is exact.
# shellcheck source=tests/integration/session.bash
source "$(dirname "$0")/../session.bash"
rounds=${1:-1}
seed=${HOLON_TEST_SEED:-$(date +%s)}
echo "# HOLON_TEST_SEED=$seed"
RANDOM=$seed

out=/shared/ring.$$
alice mkdir "$out"
# VMs run on while they are saved: a setting of the whole machine, which is put back at the end.
setting=/proc/sys/vm/unprivileged_userfaultfd
setting_was=$(cat $setting)
echo 1 >$setting
trap 'echo "$setting_was" >$setting; alice rm -rf "$out" ring.sh .holon; rm -rf "$work"' EXIT

said() { alice cat "$out/$1" 2>/dev/null; }
# How many messages rank 0 has seen go round.
messages() { said ring.out | awk '/^[0-9]+ [0-9a-f]+$/ { last = $1 } END { print last + 0 }'; }
more_than() { [[ $(messages) -gt $1 ]]; }
# The whole output, but for Holon's own lines and a line that is being written, against the rule.
exact() {
    said ring.out | python3 -c '
import sys
number, chain = 0, 0xcbf29ce484222325
lines = [line for line in sys.stdin if not line.startswith("holon: ")]
if lines and not lines[-1].endswith("\n"):
    lines.pop()
for row, line in enumerate(lines):
    for _ in range(4):
        number += 1
        for byte in number.to_bytes(8, "little"):
            chain = (chain ^ byte) * 0x100000001b3 % 2**64
    if line != f"{number} {chain:016x}\n":
        sys.exit(f"line {row + 1} is {line!r} and not {number} {chain:016x}")
sys.exit(not lines)'
}
# The VMs of a job with their nodes, a line each: vm0 n1
places() {
    alice holon status --job "$1" --json | python3 -c '
import json, sys
for vm in sorted(json.load(sys.stdin)["vms"], key=lambda vm: vm["vm"]):
    print(vm["vm"], vm["node"])'
}
nodes_of() { places "$1" | awk '{ print $2 }' | sort -u; }
# Nodes to leave out, so that the VMs come to other nodes than these as far as two nodes remain for them.
left_out() {
    local all
    all=$(on ctl sinfo -h -N -o %N | sort -u | wc -l)
    shuf -e "$@" | head -n "$((all - 2))" | paste -sd,
}
a_moment() { sleep "$((RANDOM % $1)).$((RANDOM % 10))"; }
goes_on() { alice sbatch --parsable "$@" >"$work/id"; }

{
    printf '%s\n' '#!/bin/bash' 'set -e' "cat >ring.c <<'PROGRAM'"
    cat "$top/tests/integration/ring.d/ring.c"
    cat <<'JOB'
PROGRAM
mpicc -O1 -o ring ring.c
for vm in vm1 vm2 vm3; do scp -q ring $vm:ring; done
exec mpirun -np 4 --map-by node --hostfile "$HOLON_HOSTFILE" --mca mpi_yield_when_idle 1 ./ring
JOB
} | alice tee ring.sh >/dev/null
job=$(submit --vm-cluster=4 -N3 -n4 --vm-image=debian --vm-cpus=1 --vm-mem=320M --mem=900 -o "$out/ring.out" -e "$out/ring.err" \
    ring.sh)
if ! within 90 more_than 100; then
    fail "four ranks pass a message round" "$(on ctl scontrol show job "$job"; said ring.out; said ring.err)"
    alice scancel "$job"
    finish
fi
pass "four ranks pass a message round"
equal "in four VMs" "vm0 vm1 vm2 vm3 " "$(said ring.err | grep -oE 'is on vm[0-9]$' | sort | cut -c7- | tr '\n' ' ')"
equal "on three nodes" 3 "$(nodes_of "$job" | wc -l)"

for ((round = 1; round <= rounds; ++round)); do
    a_moment 3
    check "round $round: the job is saved" alice holon checkpoint "$job" --wait
    a_moment 2
    mapfile -t was < <(nodes_of "$job")
    read -r victim node < <(places "$job" | shuf -n 1)
    before=$(messages)
    on "$node" kill -KILL "$(on "$node" cat "/run/libvirt/qemu/holon-$job.0-$victim.pid")"
    check "$victim is killed, and the job ends" wait_for_job "$job" 60
    equal "as failed" FAILED "$(job_state "$job")"
    check "one that goes on from it is submitted" within 20 \
        goes_on --vm-restart="$job" --exclude="$(left_out "${was[@]}")" -o "$out/ring.out" -e "$out/ring.err" ring.sh
    last=$job
    job=$(<"$work/id")
    check "the message goes round beyond where it was" within 120 more_than "$((before + 100))"
    check "every message was the next one, once" exact
    lacks "some VMs are elsewhere" "^${was[*]}\$" "$(nodes_of "$job" | xargs)"
    check "the checkpoint before is removed" alice holon checkpoint rm "$last" --all
    [[ $failures -eq 0 ]] || { said ring.out | tail -n 5; said ring.err | tail -n 20; places "$job"; } | sed 's/^/# /'
    [[ $failures -eq 0 ]] || break
done
alice scancel "$job"
check "it is cancelled" wait_for_job "$job" 60
nothing_is_left "the ring"
finish

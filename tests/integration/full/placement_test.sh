#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Which nodes VM jobs get on a running cluster: fragments, latency domains, prepared images, broken VM layers, and start
# estimates that come true. A cluster of its own, of 4 nodes that claim 8 CPUs each.
export HOLON_DEVCLUSTER=placement
# shellcheck source=tests/integration/session.bash
source "$(dirname "$0")/../session.bash"
trap '"$dc" down >/dev/null 2>&1; rm -rf "$work"' EXIT
"$dc" down >/dev/null 2>&1

check "a cluster of 4 nodes comes up" "$dc" up --nodes 4 --cpus 8 --mem 6000
# It finds other faults with a cluster that claims more CPUs than the machine has.
if ! grep -qE '^ok +select' <<<"$(on ctl holon doctor --controller)"; then
    echo "no select plugin was built here (Slurm's sources could not be had)"
    exit 77
fi
on ctl sed -i -e 's/^  allow_smp: .*/  allow_smp: true/' -e 's/^  domains: .*/  domains: ["left=n[1-2]", "right=n[3-4]"]/' \
    /etc/holon/holon.yaml

snapshot=/var/lib/holon/controller/snapshot.json
# nodes_are HEALTHY NODE…: so the controller knows them.
nodes_are() {
    on ctl cat $snapshot | python3 -c '
import json, sys
nodes = {n["name"]: n["healthy"] for n in json.load(sys.stdin)["nodes"]}
sys.exit(0 if all(nodes.get(n) is (sys.argv[1] == "healthy") for n in sys.argv[2:]) else 1)' "$@"
}
check "all nodes report" within 60 nodes_are healthy n1 n2 n3 n4

# busy NODE CPUS [MINUTES]: an ordinary job that holds them.
busy() { alice sbatch --parsable -w "$1" -N1 -n"$2" --mem=100 -t "${3:-60}" -o /dev/null --wrap 'sleep 3600'; }
clear_jobs() {
    alice scancel -u alice
    within 60 idle
}
idle() { [[ -z $(on ctl squeue -h) ]]; }
# nodes_of JOB, and "n1 3 n2 5 …" of its VMs
nodes_of() { on ctl squeue -h -j "$1" -o %N; }
vms_of() {
    alice holon status -j "$1" --json | python3 -c '
import json, sys
print(*[f"{v['"'node'"']} {v['"'vcpus'"']}" for v in sorted(json.load(sys.stdin)["vms"], key=lambda v: v["node"])])'
}
vms_are() { [[ $(vms_of "$1") == "$2" ]]; }

# --- a virtual SMP of fragments -------------------------------------------------------------------------------------------
accepted() { alice sbatch --test-only --vm-smp -n 2 --wrap true; }
check "the site offers --vm-smp within seconds" within 30 accepted
for each in "n1 5" "n2 3" "n3 7" "n4 2"; do
    # shellcheck disable=SC2086
    wait_until_running "$(busy $each)"
done
began=$SECONDS
job=$(alice sbatch --parsable --vm-smp -n 15 -o /dev/null --wrap 'sleep 3600')
check "15 CPUs are found in fragments of 3, 5, 1 and 6" within 10 job_is "$job" RUNNING
shows "at once" '^[0-9]$|^1[0-9]$' "$((SECONDS - began))"
check "and the VMs are of their sizes" within 60 vms_are "$job" "n1 3 n2 5 n3 1 n4 6"
clear_jobs

# --- few nodes, near each other -------------------------------------------------------------------------------------------
wait_until_running "$(busy n1 8)"
job=$(alice sbatch --parsable --vm-cluster -N2 -n2 -o /dev/null --wrap 'sleep 3600')
wait_until_running "$job"
equal "two VMs are put into one latency domain" "n[3-4]" "$(nodes_of "$job")"
clear_jobs
wait_until_running "$(busy n3 2)"
job=$(alice sbatch --parsable --vm-smp -n 6 -o /dev/null --wrap 'sleep 3600')
wait_until_running "$job"
equal "a virtual SMP that fits one node gets one, and a fragment before a whole one" n3 "$(nodes_of "$job")"
clear_jobs

# --- images that are ready ------------------------------------------------------------------------------------------------
cached() {
    on ctl cat $snapshot | python3 -c '
import json, sys
print(*[n["name"] for n in json.load(sys.stdin)["nodes"] if sys.argv[1] in n["cached"]])' "$1"
}
ready_on() { [[ $(cached debian) == "$1" ]]; }
# The nodes of a dev cluster share what they have prepared: three get an empty folder of their own.
for node in n1 n2 n3; do on $node mount -t tmpfs tmpfs /var/cache/holon; done
limit=180 alice srun --vm-cluster -w n4 -N1 --vm-image=debian true 2>/dev/null
check "the controller learns where an image is ready" within 60 ready_on n4
job=$(alice sbatch --parsable --vm-cluster -N1 --vm-image=debian -o /dev/null --wrap 'sleep 3600')
wait_until_running "$job"
equal "a job with this image goes there" n4 "$(nodes_of "$job")"
clear_jobs

# --- a broken VM layer ----------------------------------------------------------------------------------------------------
"$dc" stop n1 libvirtd
"$dc" stop n2 libvirtd
check "the controller learns that two nodes cannot host VMs" within 60 nodes_are broken n1 n2
job=$(alice sbatch --parsable --vm-cluster -N1 -o /dev/null --wrap 'sleep 3600')
wait_until_running "$job"
shows "a VM job goes elsewhere" '^n[34]$' "$(nodes_of "$job")"
equal "an ordinary one does not care" n1 "$(alice srun -w n1 -N1 hostname)"
job=$(alice sbatch --parsable --vm-cluster -N3 -o /dev/null --wrap 'sleep 3600')
check "one that needs three nodes waits" within 10 job_is "$job" PENDING
"$dc" start n1 libvirtd
"$dc" start n2 libvirtd
check "and starts when they are mended" within 90 job_is "$job" RUNNING
clear_jobs

# --- start estimates ------------------------------------------------------------------------------------------------------
for node in n1 n2; do wait_until_running "$(busy $node 8 1)"; done
for node in n3 n4; do wait_until_running "$(busy $node 8 2)"; done
job=$(alice sbatch --parsable --vm-cluster -N2 -n2 -t 5 -o /dev/null --wrap 'sleep 3600')
estimate() { on ctl squeue -h --start -j "$job" -o '%S %Y' | grep -E '^[0-9]'; }
check "squeue --start has an estimate" within 30 estimate
read -r at where <<<"$(estimate)"
check "the job starts" within 60 job_is "$job" RUNNING
started=$(on ctl scontrol -o show job "$job" | grep -o ' StartTime=[^ ]*' | cut -d= -f2)
late=$(($(date -d "$started" +%s) - $(date -d "$at" +%s)))
# Slurm ends a job up to half a minute after its limit (OverTimeLimit, KillWait).
check "within a minute of the estimate ($at, was $started)" test "${late#-}" -le 60
equal "on the nodes that were named" "$where" "$(nodes_of "$job")"
clear_jobs

for host in n1 n2 n3 n4; do
    check "nothing is left on $host" within 20 on "$host" holon doctor --leaks --expect-none
done
check "the cluster goes down" "$dc" down
finish

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The README's jobs on newer Slurm: Debian 13 (Slurm 24.11, libvirt 11.3, QEMU 10) and Debian unstable (Slurm 26.05).
# Each release's root is made once and Holon is built in it; that takes from minutes to half an hour.
export HOLON_DEVCLUSTER=releases
# shellcheck source=tests/integration/session.bash
source "$(dirname "$0")/../session.bash"
trap '"$dc" down >/dev/null 2>&1; rm -rf "$work"' EXIT

for release in ${HOLON_RELEASES:-trixie sid}; do
    check "Holon builds for $release" "$dc" build --release "$release"
    check "the $release cluster comes up" "$dc" up --release "$release"
    slurm=$(on ctl scontrol --version)
    shows "$release has a newer Slurm ($slurm)" '^slurm(-wlm)? (24\.11|2[56]\.)' "$slurm"

    output=$(limit=180 alice srun --vm-cluster -N3 hostname 2>"$work/err")
    equal "srun --vm-cluster -N3 hostname answers from every VM on $slurm" "vm0 vm1 vm2" \
        "$(sort <<<"$output" | tr '\n' ' ' | sed 's/ $//')"
    shows "the time until the VMs are ready is told" 'ready after [0-9.]+ s' "$(cat "$work/err")"

    job=$(alice sbatch --parsable --vm-cluster -N3 --ntasks-per-node=2 -o /shared/hello.out \
        --wrap 'hostname; id -un; cat $HOLON_HOSTFILE; exit 7')
    check "the batch job ends on $slurm" wait_for_job "$job" 180
    equal "its exit code is the script's" 7:0 "$(job_exit "$job")"
    output=$(alice cat /shared/hello.out)
    shows "its script ran in vm0" '^vm0$' "$output"
    shows "as alice" '^alice$' "$output"
    shows "the hostfile has two slots per VM" '^vm2 slots=2$' "$output"
    output=$(alice sbatch --vm-cluster --vm-cpus=0 --wrap true 2>&1)
    shows "a bad option is refused in one line on $slurm" '--vm-cpus=0' "$output"
    nothing_is_left "these jobs on $slurm"
    check "the $release cluster goes down" "$dc" down
done
finish

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What a user got wrong is said at once, in one line that names the option and what is accepted; the command ends with
# status 1 and nothing is queued.
# shellcheck source=tests/integration/session.bash
source "$(dirname "$0")/../session.bash"

# The next job's number: refused jobs use none up.
next_job() { on ctl scontrol show config | sed -n "s/^NEXT_JOB_ID *= //p"; }

# refused SENTENCE REGEX CMD…: status 1, and of the lines on stderr exactly one is Holon's and matches. (The controller's
# refusals are followed by Slurm's own line for every refused job.)
refused() {
    local sentence=$1 wanted=$2 status output
    shift 2
    output=$(alice "$@" 2>&1)
    status=$?
    equal "$sentence: status 1" 1 "$status"
    shows "$sentence: the line names the option and what is accepted" "$wanted" "$output"
    equal "$sentence: in one line" 1 "$(grep -vcE 'Batch job submission failed|Unable to allocate|submit/allocate failed' <<<"$output")"
}
vm() { echo sbatch --vm-cluster "$@" --wrap hostname; }

before=$(next_job)

for command in "sbatch --wrap true" "salloc true" "srun true"; do
    # shellcheck disable=SC2086
    set -- $command
    refused "an unknown image is refused by $1" 'error: --vm-image=nosuch: no such image; images known here: .*tiny' \
        "$1" --vm-cluster --vm-image=nosuch "${@:2}"
    refused "zero CPUs are refused by $1" 'error: --vm-cpus=0: not accepted; give a whole number from 1' \
        "$1" --vm-cluster --vm-cpus=0 "${@:2}"
done

on ctl install -m 0600 /dev/null /shared/private.img
on ctl mkfifo -m 0644 /shared/fifo.img
# shellcheck disable=SC2046
{
    refused "an image file that the user cannot read" \
        '--vm-image=/shared/private.img: Permission denied; give a disk file that you can read' $(vm --vm-image=/shared/private.img)
    refused "an image file that is not there" \
        '--vm-image=/home/alice/gone.img: No such file or directory; give' $(vm --vm-image=./gone.img)
    refused "an image that is a FIFO" '--vm-image=/shared/fifo.img: not a regular file; give' $(vm --vm-image=/shared/fifo.img)
    refused "memory below the image's minimum" "--vm-mem=65M: image 'tiny' needs at least 112M" $(vm --vm-mem=65M)
    refused "job memory below the image's minimum" "--mem=100M: .*image 'tiny'.*give --mem=[0-9]+M or more" $(vm --mem=100)
    refused "more VM CPUs than the job has" '--vm-cpus=2: the job has 1 CPU per node; give at most 1, or ask for more' \
        $(vm -N1 --ntasks-per-node=1 --vm-cpus=2)
    refused "more VMs than CPUs" '--vm-cluster=3: 3 VMs on a node, but the job has 1 CPUs there' \
        sbatch --vm-cluster=3 -N1 -n1 --wrap true
    refused "fewer VMs than nodes" '--vm-cluster=1: 1 VM cannot cover 2 nodes; give at least 2' \
        sbatch --vm-cluster=1 -N2 --wrap true
    for size in lots -5 0 12Q 1.5G 99999999999999999999G ''; do
        refused "a memory of '$size'" "--vm-mem=?$size: not accepted; give a size" \
            sbatch --vm-cluster "--vm-mem=$size" --wrap true
    done
    refused "half a VM" '--vm-cluster=0.5: not accepted; give a whole number' sbatch --vm-cluster=0.5 --wrap true
    refused "a network of one's own" '--vm-network=public: not accepted; give private or none' $(vm --vm-network=public)
    refused "no boot time" '--vm-boot-timeout=0: not accepted; give a time from 1 second' $(vm --vm-boot-timeout=0)
    refused "more boot time than the site allows" '--vm-boot-timeout=2-0: this site allows at most' $(vm --vm-boot-timeout=2-0)
    refused "an image's name that is none" "--vm-image=a;b: not accepted; give an image name" $(vm '--vm-image=a;b')
    refused "an image without VMs" '--vm-image: for jobs in VMs only; add --vm-cluster' sbatch --vm-image=tiny --wrap true
    refused "a forged spec" 'SLURM_SPANK_HOLON_SPEC: only the controller sets it; take it out' \
        env 'SLURM_SPANK_HOLON_SPEC={"mode":"cluster","image":"/etc/shadow"}' $(vm)
    refused "a forged option" 'holon_vm_nonsense: no option of this Holon' \
        env SLURM_SPANK__SLURM_SPANK_OPTION_holon_vm_nonsense= $(vm)
    refused "a forged value" '--vm-cpus=0: not accepted; give' env SLURM_SPANK__SLURM_SPANK_OPTION_holon_vm_cpus=0 $(vm)
}

equal "nothing was queued" "$before" "$(next_job)"
equal "the queue is empty" "" "$(on ctl squeue -h)"
finish

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What VMs boot: a user's own disk file, and the debian image with ssh between VMs and MPI.
# shellcheck source=tests/integration/session.bash
source "$(dirname "$0")/../session.bash"

# --- a disk of the user's own: BusyBox on ext4, made without any privilege --------------------------------------------
make_disk disk.qcow2 sh hostname cat id ls grep mount >"$work/made" 2>&1 <<<"echo 'made by alice' >etc/motd"
own=$(submit -D /tmp --vm-cluster --vm-image=./disk.qcow2 -w n2 -n1 --mem=500 -o /shared/own.out \
    --wrap 'cat /etc/motd; id -un; hostname; grep " / " /proc/mounts; echo written > /tmp/new')
before=$(alice sha256sum disk.qcow2)

# --- debian -------------------------------------------------------------------------------------------------------------
alice tee debian.sh >/dev/null <<'JOB'
#!/bin/bash
. /etc/os-release
echo "os $ID"
ssh vm1 hostname </dev/null
ssh vm1 'id -un; echo $HOME' </dev/null
mpirun -np 2 --map-by node --hostfile "$HOLON_HOSTFILE" hostname
gcc --version | head -n 1
python3 -c 'import socket; print("python on", socket.gethostname())'
JOB
debian=$(submit -D /tmp --vm-cluster --vm-image=debian -w n1,n3 --ntasks-per-node=1 --mem=1000 -o /shared/debian.out \
    -e /shared/debian.err debian.sh)

check "a job on a user's own disk ends" wait_for_job "$own"
output=$(alice cat /shared/own.out)
equal "and completes" COMPLETED "$(job_state "$own")"
shows "it runs on that disk" '^made by alice$' "$output"
shows "whose root is ext4" ' / ext4 ' "$output"
shows "as the user, whom the disk did not know" '^alice$' "$output"
shows "in vm0" '^vm0$' "$output"
equal "the file itself is as it was" "$before" "$(alice sha256sum disk.qcow2)"

check "a job on the debian image ends" wait_for_job "$debian" 180
equal "and completes" COMPLETED "$(job_state "$debian")"
output=$(alice cat /shared/debian.out)
shows "it is Debian" '^os debian$' "$output"
equal "ssh reaches vm1 without a password, and mpirun starts a rank in each VM" "vm0 vm1 vm1" \
    "$(grep -E '^vm[01]$' <<<"$output" | sort | xargs)"
shows "as the same user with a home" '^/home/alice$' "$output"
shows "with a compiler" '^gcc ' "$output"
shows "and Python" '^python on vm0$' "$output"
[[ $failures -eq 0 ]] || { alice cat /shared/own.out /shared/debian.out /shared/debian.err; cat "$work/made"; } | sed 's/^/# /'

nothing_is_left "jobs on these images"
finish

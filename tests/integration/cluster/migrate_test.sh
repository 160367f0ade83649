#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# VMs of a running job move between its nodes while the programs in them talk to each other; what cannot be moved is
# refused in one line; a job that moved is suspended, saved, gone on with and cancelled.
# shellcheck source=tests/integration/session.bash
source "$(dirname "$0")/../session.bash"
# shellcheck source=tests/integration/migrate.d/job.bash
source "$(dirname "$0")/../migrate.d/job.bash"

begin --vm-checkpoint
back_and_forth "once"
check "the job counts on" goes_on moves
check "its output is whole" exact moves

# --- What is refused
refused "a VM does not move to where it is" 'vm0 is on n1 already' "$job:vm0" --to n1
refused "nor to a node that is not the job's" 'n9 is not one of its nodes' "$job:vm0" --to n9
refused "nor one that is not there" "no vm7 of yours" "$job:vm7" --to n2
check "all VMs of a node move" alice holon migrate "$job" --from n1
check "to the emptiest" test "$(node_of "$job" vm0)" != n1
check "and back" alice holon migrate "$job:vm0" --to n1
check "a second VM comes to a node" alice holon migrate "$job:vm1" --to n3
refused "a third has no room there" 'the job has 900 MB there' "$job:vm0" --to n3
check "it runs on" goes_on moves
said=$(bob holon migrate "$job:vm0" --to n2 2>&1)
shows "bob is not told of it" 'no vm0 of yours' "$said"

# --- Saved and suspended with a VM away from home
check "vm1 goes home" alice holon migrate "$job:vm1" --to n2
check "vm0 goes away" alice holon migrate "$job:vm0" --to n2
check "it is suspended" on ctl scontrol suspend "$job"
stands() { alice holon status --job "$job" | grep -q 'vm0 *n2 .* suspended '; }
check "and stands there" within 20 stands
check "it is resumed" on ctl scontrol resume "$job"
check "it counts on" goes_on moves
check "it is saved" alice holon checkpoint "$job" --wait
was=$(count moves)
check "it counts beyond that" goes_on moves
alice scancel "$job"
check "it is cancelled" wait_for_job "$job" 60
wait
nothing_is_left "a job whose VMs moved"
restarts() { alice sbatch --parsable --vm-restart="$job" -o "$out/moves" >"$work/id" chain.sh; }
check "it goes on from there" within 20 restarts
counts_beyond() { more_than moves "$((was + 10))"; }
check "beyond what it had counted" within 90 counts_beyond
check "and its output is whole" exact moves
job=$(<"$work/id")
alice scancel "$job"
check "it is cancelled as well" wait_for_job "$job" 60

# --- A VM with a disk. What was written is read from the disk itself, not from the guest's memory.
make_disk migrate.qcow2 sh sleep cat dd md5sum sync >"$work/made" 2>&1 </dev/null
alice tee disk.sh >/dev/null <<'JOB'
#!/bin/sh
dd if=/dev/urandom of=bytes bs=64k count=64 2>/dev/null
sync
sum=$(dd if=bytes bs=64k iflag=direct 2>/dev/null | md5sum)
n=0
while :; do
    n=$((n + 1))
    echo $n >>counted
    sync
    if [ "$(dd if=bytes bs=64k iflag=direct 2>/dev/null | md5sum)" != "$sum" ]; then
        echo "wrong bytes after $n"
    elif [ "$(cat counted | md5sum)" != "$(dd if=counted bs=64k iflag=direct 2>/dev/null | md5sum)" ]; then
        echo "wrong count after $n"
    else
        echo $n
    fi
    sleep 0.1
done
JOB
job=$(submit --vm-cluster -N2 -n2 --mem=900 --vm-mem=200 -w n1,n2 --vm-image=./migrate.qcow2 -o "$out/disk" disk.sh)
check "a job counts on its disk" goes_on disk
for node in n2 n1; do
    check "its VM moves to $node" alice holon migrate "$job:vm0" --to $node
    check "and counts on" goes_on disk
done
check "on the disk that it had" exact disk
lacks "with what was written there" wrong "$(said disk)"
alice scancel "$job"
check "it is cancelled, too" wait_for_job "$job" 60
nothing_is_left "a VM with a disk that moved"
finish

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A job goes on from its checkpoint: after its end, on another node than before, and after a requeue, elsewhere again.
# Its script counts what its second VM answers to, so that what is lost or done twice, and a network that is not as it
# was, show in its output.
# shellcheck source=tests/integration/session.bash
source "$(dirname "$0")/../session.bash"

out=/shared/restart.$$
alice mkdir "$out"
# VMs run on while they are saved: a setting of the whole machine, which is put back at the end.
setting=/proc/sys/vm/unprivileged_userfaultfd
setting_was=$(cat $setting)
echo 1 >$setting
trap 'echo "$setting_was" >$setting; alice rm -rf "$out" .holon restart.qcow2; rm -rf "$work"' EXIT

said() { alice cat "$out/$1" 2>/dev/null; }
count() { said count.out | grep -c '^[0-9]'; }
more_than() { [[ $(count) -gt $1 ]]; }
counts_beyond() { within 60 more_than "$1"; }
# What the script printed is 1, 2, 3 … without a gap, and but for Holon's own lines nothing else is there.
exact() {
    said count.out | grep -v '^holon: ' | sed '$d' >"$work/printed"
    seq "$(wc -l <"$work/printed")" | cmp - "$work/printed"
}
nodes_of() { alice holon status --job "$1" --json | grep -oE '"node": *"n[0-9]"' | cut -d'"' -f4 | sort | tr '\n' ' '; }
# Once the controller has heard of the checkpoint.
goes_on() { alice sbatch --parsable "$@" >"$work/id"; }

# A disk of the user's own, whose image wants to be told when its VM goes on from a checkpoint.
make_disk restart.qcow2 sh nc grep sleep cat mv >"$work/made" 2>&1 <<'END'
mkdir -p etc/holon/restore.d
printf '#!/bin/sh\necho "told of $HOLON_RESTORED_FROM in $HOLON_JOB" >>/tmp/told\n' >etc/holon/restore.d/10-tell
chmod 755 etc/holon/restore.d/10-tell
END
alice tee count.sh >/dev/null <<'JOB'
#!/bin/sh
i=0
told() { cat /tmp/told; }
while :; do
    nc -w 5 vm1 9 </dev/null 2>&1 | grep -q refused && echo $((i += 1)) # nobody listens there, and vm1 says so
    [ "$(told 2>/dev/null)" = "$said" ] || { said=$(told); told >&2; }
    sleep 0.05
done
JOB
job=$(submit --vm-cluster -N2 -n2 --mem=400 -w n1,n2 --vm-image=./restart.qcow2 -o "$out/count.out" -e "$out/count.err" count.sh)
first=$job
check "a job counts" counts_beyond 10
check "it is saved" alice holon checkpoint "$job" --wait
check "and again" alice holon checkpoint "$job" --wait
check "it counts on" counts_beyond "$(($(count) + 10))"
on n2 kill -KILL "$(on n2 cat "/run/libvirt/qemu/holon-$job.0-vm1.pid")"
check "one of its VMs is killed, and it ends" wait_for_job "$job" 60
equal "as failed" FAILED "$(job_state "$job")"
before=$(count)

# --- After its end, both VMs on a third node
check "alice submits a job that goes on from it" within 20 \
    goes_on --vm-restart="$first" --vm-checkpoint --exclude=n1,n2 -o "$out/count.out" -e "$out/count.err" count.sh
again=$(<"$work/id")
shows "bob is told that he has no such checkpoint" "--vm-restart=$first: no checkpoint of yours is known" \
    "$(bob sbatch --vm-restart="$first" --chdir=/tmp --wrap true 2>&1)"
shows "alice is told what the checkpoint has the say in" '--vm-mem: a job that goes on' \
    "$(alice sbatch --vm-restart="$first" --vm-mem=1G count.sh 2>&1)"
check "the count goes on" counts_beyond "$((before + 10))"
check "every line is there once" exact
equal "both VMs are on n3" "n3 n3 " "$(nodes_of "$again")"
is_told() { said count.err | grep -qx "told of $1 in $2"; }
check "the image's own program was told" within 20 is_told "$first/2" "$again.0"
check "it is saved in its turn" alice holon checkpoint "$again" --wait
check "it counts on" counts_beyond "$(($(count) + 5))"

# --- A damaged one
alice python3 - ".holon/checkpoints/$first/2/vm1.memory" <<'PYTHON'
import os, sys
with open(sys.argv[1], "r+b") as part:
    part.seek(os.path.getsize(sys.argv[1]) // 2)
    byte = part.read(1)[0]
    part.seek(-1, 1)
    part.write(bytes([byte ^ 16]))
PYTHON
damaged=$(submit --vm-restart="$first" --exclude=n3 -o "$out/damaged.out" count.sh)

# --- After a requeue
before=$(count)
on ctl scontrol requeue "$again"
check "a job that is requeued waits" within 30 job_is "$again" PENDING
check "Slurm lets it start again soon, not where it was" within 30 \
    on ctl scontrol update "JobId=$again" ExcNodeList=n3 StartTime=now+5
check "the job whose checkpoint is damaged has ended" wait_for_job "$damaged" 60
equal "as failed" FAILED "$(job_state "$damaged")"
shows "in one line that says what is good" \
    "^holon: job $damaged: .*/$first/2/vm1.memory: damaged.*--vm-restart=/home/alice/.holon/checkpoints/$first/1$" "$(said damaged.out)"
lacks "before anything was started" 'goes on from|booted' "$(said damaged.out)"
check "the count goes on" counts_beyond "$((before + 10))"
check "every line is there once" exact
check "the image's own program was told" within 20 is_told "$again/1" "$again.1"
shows "its VMs are where Slurm put them" '^(n[12] ){2}$' "$(nodes_of "$again")"
alice scancel "$again"
check "it is cancelled" wait_for_job "$again" 60

nothing_is_left "jobs that went on"
finish

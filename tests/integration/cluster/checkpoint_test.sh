#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Checkpoints of a running job, as its user makes and looks after them, and what goes wrong in the middle of one: a
# task that does not answer, holond killed, the disk full, a QEMU killed. A job runs on, or its end is told; what is
# listed is whole, and nothing else is left.
# shellcheck source=tests/integration/session.bash
source "$(dirname "$0")/../session.bash"

out=/shared/checkpoint.$$
alice mkdir "$out"
# Whether VMs run on while they are saved is a setting of the whole machine; it is put back at the end.
setting=/proc/sys/vm/unprivileged_userfaultfd
setting_was=$(cat $setting)
echo 0 >$setting
trap 'echo "$setting_was" >$setting; on n1 rm -f /tmp/hold /tmp/held; on n1 umount -l /home/alice/.holon 2>/dev/null; usual_writer; alice rm -rf "$out" .holon; rm -rf "$work"' EXIT

said() { alice cat "$out/$1" 2>/dev/null; }
lines() { said print.out | wc -l; }
more_than() { [[ $(lines) -gt $1 ]]; }
prints_on() { within 60 more_than "$(lines)"; }
qemu_of() { on "$1" cat "/run/libvirt/qemu/holon-$job.0-$2.pid" 2>/dev/null; }
state_of() { on "$1" virsh -q -c qemu:///system domstate "holon-$job.0-$2" 2>/dev/null; }
is() { [[ $(state_of "$1" "$2") == "$3" ]]; }
# The checkpoints of the job, whole or not, as files.
files() { alice sh -c "ls .holon/checkpoints/$job 2>/dev/null" | tr '\n' ' '; }
has_files() { [[ $(files) == "$1" ]]; }
# On n1 the writer stops after its first bytes for as long as /tmp/hold is there: a slow disk. As the real one, it ends
# with holond.
slow_writer() {
    on n1 tee /usr/libexec/holon/slow >/dev/null <<'PYTHON'
#!/usr/bin/python3
import ctypes, os, signal, subprocess, sys, time
argv = ["/usr/libexec/holon/holon-checkpoint.real"] + sys.argv[1:]
if sys.argv[1] != "write":
    os.execv(argv[0], argv)
real = subprocess.Popen(argv, stdin=subprocess.PIPE, preexec_fn=lambda: ctypes.CDLL(None).prctl(1, signal.SIGKILL))
while True:
    chunk = os.read(0, 65536)
    if not chunk:
        break
    real.stdin.write(chunk)
    while os.path.exists("/tmp/hold"):
        open("/tmp/held", "w").close()
        time.sleep(0.05)
real.stdin.close()
sys.exit(real.wait())
PYTHON
    on n1 sh -c 'cd /usr/libexec/holon && mv holon-checkpoint holon-checkpoint.real && chmod 0755 slow && mv slow holon-checkpoint'
}
usual_writer() { on n1 sh -c 'cd /usr/libexec/holon && [ ! -e holon-checkpoint.real ] || mv holon-checkpoint.real holon-checkpoint'; }
hold_in_mid_save() {
    on n1 rm -f /tmp/held
    on n1 touch /tmp/hold
    alice holon checkpoint "$job" >"$work/begun" 2>&1
    check "a VM is being written $1" within 20 on n1 test -e /tmp/held
}

alice tee print.sh >/dev/null <<'JOB'
#!/bin/sh
i=0
while :; do echo $((i += 1)); sleep 0.1; done
JOB
job=$(submit --vm-cluster -N2 -n2 --mem=400 -w n1,n2 -o "$out/print.out" print.sh)
check "a job on n1 and n2 prints" within 60 more_than 5

# --- As its user
saved=$(alice holon checkpoint "$job" --wait 2>&1)
shows "a checkpoint is made, and it is said how long the VMs stood" \
    "^job $job: checkpoint 1: [0-9.]+[KM] in [0-9.]+ s; the VMs stood for [0-9]+ ms$" "$saved"
check "the job prints on" prints_on
equal "both VMs run" "running running" "$(state_of n1 vm0) $(state_of n2 vm1)"
shows "it is listed" "^ *$job +1 +20..-..-..T..:..:.. +2 +[0-9.]+[KM] +tiny +whole$" "$(alice holon checkpoint list)"
shown=$(alice holon checkpoint show "$job")
shows "it is shown with its VMs" '^vm1 +n2 .* pc-i440fx-' "$shown"
shows "and how far the script's output had come" '^step batch in vm0, stdout: its file had [0-9]+ bytes$' "$shown"
lacks "the seed of its keys is not shown" seed "$(alice holon checkpoint show "$job" --json)"
shows "it is verified" ': whole ' "$(alice holon checkpoint verify "$job" 1 2>&1)"
equal "nobody else can look into it" "700 alice 600 alice" \
    "$(on n2 stat -c '%a %U' "/home/alice/.holon/checkpoints/$job/1" "/home/alice/.holon/checkpoints/$job/1/vm1.memory" | tr '\n' ' ' | sed 's/ $//')"
equal "the file's length at the cut is that of whole lines" '' \
    "$(said print.out | head -c "$(sed -n 's/^step batch .*stdout: .*had \([0-9]*\) bytes/\1/p' <<<"$shown")" | tail -c 1 | tr -d '\n')"
shows "bob is told that he has no such job" "job $job" "$(bob holon checkpoint "$job" 2>&1)"
shows "nor does he see the files" 'no checkpoints|denied' "$(bob holon checkpoint list --dir /home/alice/.holon/checkpoints 2>&1)"
shows "it stood while it was saved" '"method":"stopped"' "$(alice holon checkpoint list --json)"
echo 1 >$setting
events=$(alice holon checkpoint "$job" --wait --json 2>&1)
shows "with userfaultfd it runs on meanwhile" '"event":"committed".*"method":"background"' "$(tail -n 1 <<<"$events")"
shows "programs get events" '"event":"saving"' "$events"
shows "the last of which says where it is" \
    "\"event\":\"committed\".*\"folder\":\"/home/alice/.holon/checkpoints/$job/2\"" "$(tail -n 1 <<<"$events")"
alice holon checkpoint "$job" --wait >/dev/null 2>&1
equal "the newest two are kept" "2 3 " "$(files)"

# --- A task does not answer
task=$(on n1 pgrep -x holon-run)
on n1 kill -STOP "$task"
shows "a task that does not answer is said" 'no checkpoint|a task does not say how far' \
    "$(alice holon checkpoint "$job" --wait 2>&1)"
equal "both VMs run" "running running" "$(state_of n1 vm0) $(state_of n2 vm1)"
on n1 kill -CONT "$task"
check "the job prints on" prints_on
equal "nothing is left of the attempt" "2 3 " "$(files)"

# --- holond is killed while a VM is written: one that stands, and one whose memory is protected
slow_writer
states=(paused running)
for value in 0 1; do
    echo $value >$setting
    hold_in_mid_save "before holond is killed"
    check "meanwhile it is ${states[value]}" within 10 is n1 vm0 "${states[value]}"
    "$dc" kill n1 holond
    on n1 rm /tmp/hold
    check "holond comes back" "$dc" start n1 holond
    check "the VM runs" within 30 is n1 vm0 running
    check "the job prints on" prints_on
    check "nothing is left of the attempt" within 20 has_files "2 3 "
done
save() { alice holon checkpoint "$job" --wait; }
check "the next checkpoint succeeds" within 30 save
shows "and is whole" ': whole ' "$(alice holon checkpoint verify "$job" 2>&1)"

# --- No room. The head asks for it where it writes: a file system of its own hides the user's folder from it alone.
newest=$(files)
on n1 mount -t tmpfs -o "size=40m,mode=0700,uid=1000" none /home/alice/.holon
shows "a checkpoint for which there is no room is refused" 'failed|MB are needed|must stay free' \
    "$(alice holon checkpoint "$job" --wait 2>&1)"
on n1 umount /home/alice/.holon
check "the job prints on" prints_on
equal "the earlier ones are as they were" "$newest" "$(files)"

# --- One bit
newest=${newest% } newest=${newest##* }
part=.holon/checkpoints/$job/$newest/vm0.memory
alice python3 - "$part" <<'PYTHON'
import os, sys
with open(sys.argv[1], "r+b") as part:
    part.seek(os.path.getsize(sys.argv[1]) // 2)
    byte = part.read(1)[0]
    part.seek(-1, 1)
    part.write(bytes([byte ^ 16]))
PYTHON
shows "a flipped bit is found" "$newest/vm0.memory: damaged" "$(alice holon checkpoint verify "$job" 2>&1)"
check "it is removed" alice holon checkpoint rm "$job" "$newest"
shows "the one before it is whole" ': whole ' "$(alice holon checkpoint verify "$job" 2>&1)"

# --- A QEMU is killed while it is saved
newest=$(files)
hold_in_mid_save "before its QEMU is killed"
on n1 kill -KILL "$(qemu_of n1 vm0)"
check "the job ends" wait_for_job "$job" 30
on n1 rm /tmp/hold
shows "the reason is told" "^holon: job $job: vm0 on n1: its QEMU was killed" "$(said print.out)"
check "the checkpoint before is as it was" within 20 has_files "$newest"
shows "and whole" ': whole ' "$(alice holon checkpoint verify "$job" 2>&1)"
check "all are removed" alice holon checkpoint rm "$job" --all
shows "then there are none" '^no checkpoints in ' "$(alice holon checkpoint list)"

usual_writer
nothing_is_left "jobs that were saved"
finish

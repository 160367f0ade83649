#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Inside the VM a job is a job: environment, directory, limits, streams, exit codes, signals, steps, arrays.
# shellcheck source=tests/integration/session.bash
source "$(dirname "$0")/../session.bash"

in_directory() { alice env -C "$1" "${@:2}"; }
says() { alice grep -q -- "$2" "$1"; }

alice mkdir -p /shared/only/here

# --- three batch jobs at once: what a script finds, complete streams, signals ----------------------------------------
alice tee found.sh >/dev/null <<'JOB'
#!/bin/bash
echo "host $(hostname) in $(pwd) umask $(umask) files $(ulimit -n) core $(ulimit -c) args $*"
env | grep -E '^(SLURM_|HOLON_|MINE=|HOME=|USER=|TMPDIR=|SHELL=)' | sort
cat "$HOLON_HOSTFILE"
ls -A | wc -l
exit 7
JOB
found=$(alice bash -c "cd /shared/only/here; umask 027; ulimit -n 777; export MINE='a b'
    sbatch --parsable --vm-cluster -w n1 --ntasks-per-node=2 --mem=1000 -o /shared/found.out -e /shared/found.err ~/found.sh 'x  y' z")

alice tee streams.sh >/dev/null <<'JOB'
#!/bin/bash
head -c 1048576 /dev/urandom >/tmp/o
head -c 1048576 /dev/urandom >/tmp/e
cat /tmp/o &
cat /tmp/e >&2
wait
cat /tmp/o /tmp/e | sha256sum >&2
kill -KILL $$
JOB
streams=$(in_directory /tmp sbatch --parsable --vm-cluster -w n2 -n1 --mem=600 -o /shared/o -e /shared/e /home/alice/streams.sh)

alice tee signals.sh >/dev/null <<'JOB'
#!/bin/bash
for signal in USR1 USR2; do trap "echo got $signal in $(hostname)" $signal; done
trap 'echo got TERM; exit 0' TERM
echo waiting
while :; do sleep 600 & wait $!; done
JOB
signals=$(in_directory /tmp sbatch --parsable --vm-cluster -w n3 -n1 --mem=600 -t 2 --signal=B:USR2@75 -o /shared/signals.out \
    /home/alice/signals.sh)

check "a job that exits 7 ends" wait_for_job "$found"
equal "Slurm has its exit code" 7:0 "$(job_exit "$found")"
output=$(alice cat /shared/found.out)
shows "the script runs in vm0, where it was submitted, with umask, limits and arguments" \
    '^host vm0 in /shared/only/here umask 0027 files 777 core [a-z0-9]+ args x  y z$' "$output"
for line in SLURM_JOB_ID="$found" SLURM_JOB_NODELIST=n1 SLURM_JOB_NUM_NODES=1 'SLURM_JOB_CPUS_PER_NODE=2' \
    SLURM_NTASKS=2 SLURM_JOB_NAME=found.sh SLURM_SUBMIT_DIR=/shared/only/here SLURMD_NODENAME=n1 'MINE=a b' \
    HOME=/home/alice USER=alice TMPDIR=/tmp HOLON_HOSTFILE='/[a-z/]+' HOLON_NODELIST=vm0 HOLON_VM_ID=0; do
    [[ $line == SLURMD_* ]] || shows "the environment has ${line%%=*}" "^$line\$" "$output"
done
shows "the hostfile has the VM and its slots" '^vm0 slots=2$' "$output"
output=$(alice cat /shared/found.err)
equal "a directory that was made is told of in one line" 1 "$(grep -c '/shared/only/here' <<<"$output")"

check "a job that is killed in the guest ends" wait_for_job "$streams"
equal "Slurm has the signal" 0:9 "$(job_exit "$streams")"
equal "1 MiB of stdout is complete, without a byte of stderr's" 1048576 "$(alice stat -c %s /shared/o)"
sum=$(alice tail -c 68 /shared/e | cut -c 1-64)
equal "stdout and 1 MiB of stderr are what the guest wrote" "$sum" \
    "$(alice bash -c '{ cat /shared/o; head -c -68 /shared/e | tail -c 1048576; } | sha256sum' | cut -c 1-64)"

check "the script that waits for signals waits" within 60 says /shared/signals.out waiting
alice scancel -b -s USR1 "$signals"
check "scancel --batch -s USR1 reaches the script in the guest" within 20 says /shared/signals.out 'got USR1 in vm0'
check "so does --signal=B:USR2@75" within 90 says /shared/signals.out 'got USR2 in vm0'
alice scancel "$signals"
check "scancel's TERM comes first" within 20 says /shared/signals.out 'got TERM'
check "and the job ends" wait_for_job "$signals"

# --- one allocation, many steps ---------------------------------------------------------------------------------------
alice salloc --vm-cluster -w n1,n2 --ntasks-per-node=1 --mem=600 --no-shell >"$work/salloc" 2>&1
job=$(grep -oE 'Granted job allocation [0-9]+' "$work/salloc" | grep -oE '[0-9]+$')
step() { in_directory /tmp srun "--jobid=$job" --overlap "$@"; }

equal "a step runs one task in each VM" "vm0 vm1" "$(step hostname 2>/dev/null | sort | xargs)"
equal "a step with --no-vm runs on the hosts" "n1 n2" "$(step --no-vm hostname 2>/dev/null | sort | xargs)"
equal "srun's stdin reaches the program whole" "$(seq 1 100000 | sha256sum)" \
    "$(seq 1 100000 | step -N1 -n1 cat 2>/dev/null | sha256sum)"
head -c 3000001 /dev/urandom >"$work/binary"
equal "and binary-clean" "$(sha256sum <"$work/binary")" "$(step -N1 -n1 cat <"$work/binary" 2>/dev/null | sha256sum)"
step -N1 -n1 bash -c 'echo to-stdout; echo to-stderr >&2; exit 42' >"$work/out" 2>"$work/err"
equal "a step's exit code is srun's" 42 $?
equal "its stdout is srun's" to-stdout "$(cat "$work/out")"
shows "its stderr is srun's" '^to-stderr$' "$(cat "$work/err")"
step -N1 -n1 bash -c 'kill -SEGV $$' 2>/dev/null
equal "128 and the signal come back from a step that a signal ended" 139 $?
step -N1 -n1 no-such-program 2>"$work/err"
equal "a program that is not in the VM fails the step" 127 $?
shows "and is named" 'no-such-program' "$(cat "$work/err")"
output=$(step -l bash -c 'echo $SLURM_PROCID $HOLON_VM_ID $SLURM_STEP_NODELIST' 2>/dev/null | sort)
equal "every task has its own rank and VM" "0: 0 0 n[1-2] 1: 1 1 n[1-2]" "$(xargs <<<"$output")"
shows "the console shows the guest's boot" 'Linux version|holon' "$(alice holon console -j "$job" vm1)"
alice timeout 20 "$(alice sh -c 'command -v holon')" console -f -j "$job" vm0 >"$work/console" 2>&1 &
follower=$!
within 10 test -s "$work/console"
alice scancel "$job"
check "holon console -f ends with the VM" within 20 bash -c "! kill -0 $follower"
check "the allocation ends" wait_for_job "$job"

# --- shapes -----------------------------------------------------------------------------------------------------------
alice tee onhost.sh >/dev/null <<'JOB'
#!/bin/sh
echo "script on $(hostname)"
srun hostname
JOB
onhost=$(submit --vm-cluster --no-vm -w n1,n2 --ntasks-per-node=1 --mem=400 -o /shared/onhost.out onhost.sh)
# The array's two elements and alice's and bob's jobs share nodes, a CPU each.
array=$(submit --array=0-1 --vm-cluster -w n3 -n1 --mem=400 -o /shared/array-%a.out \
    --wrap 'echo element $SLURM_ARRAY_TASK_ID of $SLURM_ARRAY_JOB_ID in $(hostname); ip -4 -o address')
bobs=$(bob sbatch --parsable --vm-cluster -w n2 -n1 --mem=400 --vm-network=none -o /shared/bob.out \
    --wrap 'id -un; ls /sys/class/net | xargs; cat /etc/passwd | grep -c alice')
for one in "$onhost" "${array}_0" "${array}_1" "$bobs"; do wait_for_job "$one"; done
output=$(alice cat /shared/onhost.out)
shows "sbatch --no-vm keeps the script on the host" '^script on n1$' "$output"
equal "and its srun steps run in the VMs" "vm0 vm1" "$(grep '^vm' <<<"$output" | sort | xargs)"
for element in 0 1; do
    shows "array element $element runs in a VM" "^element $element of $array in vm0\$" "$(alice cat /shared/array-$element.out)"
    shows "with the address that every first VM has" '10\.77\.0\.1' "$(alice cat /shared/array-$element.out)"
done
output=$(bob cat /shared/bob.out)
shows "bob's job runs as bob" '^bob$' "$output"
shows "--vm-network=none leaves the loopback alone" '^lo$' "$output"
shows "and his VM does not know alice" '^0$' "$output"

output=$(in_directory /tmp srun --vm-cluster=4 -N2 --ntasks-per-node=2 --vm-cpus=1 --vm-mem=200M \
    sh -c 'echo "$(hostname) $(nproc) $(($(sed -n "s/^MemTotal: *\([0-9]*\) kB/\1/p" /proc/meminfo) / 1024))"' 2>"$work/err" | sort)
equal "--vm-cluster=4 on two nodes gives four VMs" "vm0 vm1 vm2 vm3" "$(cut -d' ' -f1 <<<"$output" | xargs)"
equal "with --vm-cpus CPUs" 1 "$(cut -d' ' -f2 <<<"$output" | sort -u)"
lacks "and no more than --vm-mem memory" ' (20[1-9]|2[1-9][0-9]|[0-9]{4,})$' "$output"

output=$(alice srun --vm-cluster -N1 --vm-boot-timeout=0:01 hostname 2>&1)
equal "a boot that takes longer than --vm-boot-timeout fails the job" 1 $?
shows "and says so" 'no answer from the guest in time|0 of 1 VMs were ready when the boot time-out passed' "$output"

equal "a job without --vm runs on the nodes, as ever" "n1 n2 n3" "$(alice srun -N3 hostname | sort | xargs)"
lacks "and finds nothing of Holon's" HOLON "$(alice srun -N1 env)"

nothing_is_left "these jobs"
finish

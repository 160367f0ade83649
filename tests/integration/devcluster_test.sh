#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What scripts/devcluster promises: Slurm with its limits in force on hosts of namespaces, and nothing left afterwards.
# Needs root and the packages of scripts/packages/run.txt and test.txt. It has a cluster of
# its own, beside any that is up.
# Arguments are handed to each `up`, for instance: --release trixie
set -uo pipefail

top=$(readlink -f "$(dirname "${BASH_SOURCE[0]}")/../..")
dc=$top/scripts/devcluster
options=("$@")
export HOLON_DEVCLUSTER=selftest
cluster=holon-devcluster-selftest
work=$(mktemp -d)
export HOLON_STAGE=$work/none # plain Slurm, whatever is being built meanwhile
number=0
failures=0
trap '"$dc" down >/dev/null 2>&1; rm -rf "$work"' EXIT

# check SENTENCE CMD…: one test, passed when CMD succeeds; what CMD says is shown when it does not.
check() {
    local sentence=$1
    number=$((number + 1))
    if "${@:2}" >"$work/output" 2>&1; then
        echo "ok $number - $sentence"
    else
        echo "not ok $number - $sentence"
        sed 's/^/#   /' "$work/output"
        failures=$((failures + 1))
    fi
}

# within SECONDS CMD…: repeats CMD until it succeeds; fails when the time, multiplied by $HOLON_TEST_PATIENCE, is over.
within() {
    local deadline=$((SECONDS + $1 * ${HOLON_TEST_PATIENCE:-4}))
    shift
    until "$@"; do
        [[ $SECONDS -lt $deadline ]] || return 1
        sleep 0.2
    done
}

same() {
    [[ $1 == "$2" ]] || { echo "got '$1', expected '$2'" && return 1; }
}

alice() {
    "$dc" exec-as alice ctl timeout 60 "$@"
}

# --- what a cluster leaves on the machine ---

machine_links() {
    ip -o link | sed 's/^[0-9]*: //; s/@.*//; s/:.*//' | sort
}

note_machine() {
    machine_links >"$work/links"
    ip netns list >"$work/netns"
}

note_namespaces() {
    local file
    for file in "/run/$cluster/hosts/"*/pid; do
        readlink "/proc/$(<"$file")/ns/"{net,mnt,uts,ipc,pid,cgroup}
    done >"$work/namespaces"
    stat -L -f -c %T "/run/$cluster/switch" >/dev/null
    echo "net:[$(stat -c %i "/run/$cluster/switch")]" >>"$work/namespaces"
}

no_processes() {
    # the machine's first process collects the dead when it gets to it
    within 5 processes_are_gone
}

processes_are_gone() {
    ! grep -l "/$cluster" /proc/[0-9]*/cgroup 2>/dev/null
}

no_namespaces() {
    [[ $(wc -l <"$work/namespaces") -ge 7 ]] || { echo "no namespaces were noted" && return 1; }
    # a namespace dies a moment after its last process
    within 5 namespaces_are_gone
}

namespaces_are_gone() {
    ! { readlink /proc/[0-9]*/ns/* 2>/dev/null | sort -u && awk '$9 == "nsfs" || $8 == "nsfs" { print $4 }' /proc/self/mountinfo; } |
        grep -F -x -f "$work/namespaces"
}

no_mounts() {
    ! grep "$cluster" /proc/self/mountinfo
}

no_links() {
    machine_links | diff "$work/links" - && ip netns list | diff "$work/netns" -
}

no_cgroups() {
    ! find /sys/fs/cgroup -name "*$cluster*" 2>/dev/null | grep .
}

no_files() {
    ! find /run /var/lib /tmp /var/tmp -maxdepth 1 -name "*$cluster*" | grep .
}

check_nothing_left() {
    check "$1 leaves no process" no_processes
    check "$1 leaves no namespace" no_namespaces
    check "$1 leaves no mount" no_mounts
    check "$1 leaves no bridge or other link" no_links
    check "$1 leaves no cgroup" no_cgroups
    check "$1 leaves no file" no_files
}

# --- up, and the ways into a host ---

"$dc" down >/dev/null 2>&1
note_machine

up_in_time() {
    local began=$SECONDS
    "$dc" up "${options[@]}" || return 1
    [[ $((SECONDS - began)) -le 20 ]] || { echo "took $((SECONDS - began)) s" && return 1; }
}

exit_code_of() {
    "$dc" run "$@" >/dev/null
    echo $?
}

separate_namespaces() {
    [[ $(sort "$work/namespaces" | uniq -d | wc -l) -eq 0 ]] || { echo "shared:" && sort "$work/namespaces" | uniq -d; }
}

hosts_reach_each_other() {
    local host
    for host in ctl n1 n2 n3; do
        # a full frame and VXLAN's header on top of it
        "$dc" run n1 ping -q -c 1 -W 5 -M "do" -s 1572 "$host" || return 1
    done
}

fast_run() {
    local began=${EPOCHREALTIME/./} i
    for i in {1..20}; do "$dc" run n1 true; done
    [[ $((${EPOCHREALTIME/./} - began)) -lt 2000000 ]] || { echo "20 runs took $((${EPOCHREALTIME/./} - began)) µs ($i)" && return 1; }
}

check "up comes up within 20 s" up_in_time
"$dc" status >/dev/null || { echo "Bail out! there is no cluster" && exit 1; }
note_namespaces
check "hosts share no namespace" separate_namespaces
check "up again says that it is up" "$dc" up "${options[@]}"
check "up with other options does not end the cluster that is there" same "$("$dc" up "${options[@]}" --nodes 2 2>&1 | grep -c 'other options')" 1
check "run runs on the host it names" same "$("$dc" run n2 hostname)" n2
check "run is root on the host" same "$("$dc" run n2 id -un)" root
check "run hands stdin over" same "$(printf 'a\0b' | "$dc" run n1 wc -c)" 3
check "run keeps stderr apart" same "$("$dc" run n1 sh -c 'echo out; echo err >&2' 2>/dev/null)" out
check "run returns the exit code" same "$(exit_code_of n1 sh -c 'exit 37')" 37
check "run returns 128 and the signal" same "$(exit_code_of n1 sh -c 'kill -TERM $$' 2>/dev/null)" 143
check "run keeps arguments as they are" same "$("$dc" run n1 printf '%s|' 'a b' '' "c'd")" "a b||c'd|"
check "run on an unknown host names the hosts" same "$("$dc" run n9 true 2>&1)" "devcluster: no host 'n9'; hosts are: ctl n1 n2 n3"
check "run takes less than 0.1 s" fast_run
check "exec-as is the user, at home" same "$("$dc" exec-as bob n1 sh -c 'id -u; id -un; pwd' | xargs)" "1001 bob /home/bob"
check "an exec-as with a terminal has one" same "$(script -qec "$dc exec-as alice ctl tty" /dev/null </dev/null | grep -c /dev/pts/)" 1
check "hosts reach each other with full frames" hosts_reach_each_other
check "a host sees no process of another" same "$("$dc" run n1 pgrep -c slurmctld)" 0
check "libvirt runs on each node" "$dc" run n3 virsh -q -c qemu:///system list

# --- Slurm ---

batch_job() {
    alice sh -c 'cd /shared && sbatch -W -N3 --ntasks-per-node=1 -o hello.out --wrap "srun hostname | sort | xargs"' &&
        same "$("$dc" run n1 cat /shared/hello.out)" "n1 n2 n3"
}

accounted() {
    within 20 sh -c "'$dc' exec-as alice ctl sacct -X -n -P -o JobName,State | grep -x 'wrap|COMPLETED'"
}

# tail keeps all of a line that does not end
memory_limit() {
    local job=$work/memory
    alice srun -n1 --mem=64M sh -c 'head -c 30M /dev/zero | tail | wc -c' | grep -x 31457280 || return 1
    if alice srun -J hungry -n1 --mem=64M sh -c 'head -c 300M /dev/zero | tail | wc -c' >"$job" 2>&1; then
        grep -x 314572800 "$job" && return 1
    fi
    within 20 sh -c "'$dc' exec-as alice ctl sacct -n -P -o JobName,State --name=hungry | grep OUT_OF_ME"
}

cpus_of_a_job() {
    alice srun -w n1 -n1 -c "$1" grep Cpus_allowed_list /proc/self/status | awk '{ print $2 }'
}

cpuset() {
    [[ $(nproc) -gt 1 ]] || return 0
    local one all
    one=$(cpus_of_a_job 1) all=$(cpus_of_a_job "$(nproc)")
    echo "one: $one, all: $all"
    [[ $one =~ ^[0-9]+$ && $all != "$one" ]]
}

# Not the process that srun knows of: only the job's cgroup knows this one.
stray_process() {
    alice srun -w n1 -n1 sh -c 'setsid sleep 3271 >/dev/null 2>&1 & sleep 0.2'
    within 10 sh -c "! '$dc' run n1 pgrep -f 'sleep 327[1]'"
}

check "a batch job of alice runs on all nodes and writes to /shared" batch_job
check "sacct shows it" accounted
check "a job that takes more memory than it asked for is killed" memory_limit
check "a job has only its own cores" cpuset
check "a process that leaves its session dies with the job" stray_process

# --- faults ---

node_state() {
    # Of all nodes: of one alone (-n) slurmctld 22.05 may show a state from before its jobs ended.
    "$dc" run ctl timeout 5 sinfo -h -N -o '%N %T' | sed -n "s/^$1 //p"
}

node_is() {
    [[ $(node_state "$1") == "$2" ]]
}

daemon_comes_back() {
    "$dc" kill n1 slurmd && ! "$dc" stop n1 slurmd && "$dc" start n1 slurmd && "$dc" restart ctl slurmctld &&
        within 20 node_is n1 idle
}

power_cut() {
    "$dc" run n2 touch /etc/survives /tmp/does-not /run/neither
    "$dc" poweroff n2 || return 1
    ! "$dc" run n2 true || return 1
    "$dc" poweron n2 || return 1
    "$dc" run n2 test -e /etc/survives -a ! -e /tmp/does-not -a ! -e /run/neither || return 1
    within 30 node_is n2 idle && alice srun -w n2 hostname
}

crash() {
    kill -KILL "$(</run/$cluster/hosts/n1/pid)" "$(</run/$cluster/hosts/ctl/pid)"
    rm -rf /run/$cluster/hosts/n3
    "$dc" up "${options[@]}" --nodes 2 --cpus 4 && same "$("$dc" run ctl sinfo -h -o '%D %c %T')" "2 4 idle"
}

check "a killed daemon can be started again" daemon_comes_back
check "a node comes back from a power cut with its disk" power_cut
check "up after a crash cleans up and comes up" crash
# More CPUs than the machine has, so without cores of their own.
check "jobs run on nodes with more CPUs than the machine" same "$(alice srun -n8 hostname | sort | uniq -c | xargs)" "4 n1 4 n2"
check "down ends it" "$dc" down
check_nothing_left "down after a crash"
check "down again is no error" "$dc" down
check "up after down comes up" "$dc" up "${options[@]}" --nodes 1
note_namespaces
check "a job in mid-run does not keep down from ending it" alice sbatch -o /dev/null --wrap 'sleep 1000'
check "down ends a cluster at work" "$dc" down
check_nothing_left "down"
check "status of no cluster is 3" same "$("$dc" status >/dev/null; echo $?)" 3

echo "1..$number"
[[ $failures -eq 0 ]] || { echo "# $failures failed" && exit 1; }

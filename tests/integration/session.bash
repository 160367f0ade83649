# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# What the sessions on the dev cluster share. A test sources it, speaks as users do (alice srun …), states what must
# hold (check, shows, equal), and ends with `finish`.
set -uo pipefail

top=$(readlink -f "$(dirname "${BASH_SOURCE[0]}")/../..")
dc=$top/scripts/devcluster
work=$(mktemp -d)
number=0
failures=0
trap 'rm -rf "$work"' EXIT

# Deadlines are for a machine that does nothing else. Guests are emulated: where others use its CPUs as well, all takes
# as much longer as they take. A session that passes waits for none of them to the end.
patience=${HOLON_TEST_PATIENCE:-4}

# As a user on the login host; as root on HOST.
alice() { timeout "$((${limit:-90} * patience))" "$dc" exec-as alice ctl "$@"; }
bob() { timeout "$((${limit:-90} * patience))" "$dc" exec-as bob ctl "$@"; }
on() { timeout "$((${limit:-90} * patience))" "$dc" run "$@"; }

pass() {
    number=$((number + 1))
    echo "ok $number - $1"
}
fail() {
    number=$((number + 1))
    failures=$((failures + 1))
    echo "not ok $number - $1"
    [[ $# -lt 2 ]] || sed 's/^/#   /' <<<"$2"
}

# check SENTENCE CMD…: passed when CMD succeeds.
check() {
    local output
    if output=$("${@:2}" 2>&1); then pass "$1"; else fail "$1" "$output"; fi
}
# equal SENTENCE EXPECTED ACTUAL
equal() {
    if [[ $2 == "$3" ]]; then pass "$1"; else fail "$1" "expected: $2"$'\n'"got:      $3"; fi
}
# shows SENTENCE REGEX TEXT: extended regular expression, any line.
shows() {
    if grep -qE -- "$2" <<<"$3"; then pass "$1"; else fail "$1" "no match for: $2"$'\n'"in: $3"; fi
}
# lacks SENTENCE REGEX TEXT
lacks() {
    if grep -qE -- "$2" <<<"$3"; then fail "$1" "matches $2: $3"; else pass "$1"; fi
}
# within SECONDS CMD…: repeats CMD until it succeeds; fails when the time, multiplied by $patience, is over.
within() {
    local deadline=$((SECONDS + $1 * patience))
    shift
    until "$@" >/dev/null 2>&1; do
        [[ $SECONDS -lt $deadline ]] || return 1
        sleep 0.2
    done
}

# make_disk FILE APPLET… <<COMMANDS: a disk of alice's own, BusyBox on ext4, made without any privilege. COMMANDS, in what
# will be its root, put more on it.
make_disk() {
    local applets=${*:2}
    { printf 'commands() {\n:\n'; cat; printf '\n}\n'; cat <<END; } | alice bash -e
mkdir -p disk.new/{bin,dev,proc,sys,run,tmp,etc,root,home,mnt}
cd disk.new
cp "\$(command -v busybox)" bin/busybox
for applet in $applets; do ln -s busybox bin/\$applet; done
echo 'root:x:0:0:root:/root:/bin/sh' >etc/passwd
echo 'root:x:0:' >etc/group
commands
cd ..
PATH=\$PATH:/usr/sbin
mke2fs -q -t ext4 -d disk.new disk.raw 32M
qemu-img convert -O qcow2 disk.raw "$1"
chmod 600 "$1"
rm -rf disk.new disk.raw
END
}

# submit [sbatch options…] <<script: prints the job id.
submit() {
    alice sbatch --parsable "$@"
}
# The state of a job as the controller (and later accounting) has it, and its exit code.
job_state() { on ctl scontrol -o show job "$1" | grep -o 'JobState=[A-Z_]*' | cut -d= -f2; }
job_exit() { on ctl scontrol -o show job "$1" | grep -o ' ExitCode=[0-9:]*' | cut -d= -f2; }
job_is() { [[ $(job_state "$1") =~ ^($2)$ ]]; }
# wait_for_job ID [SECONDS]: until it has ended and left its nodes.
wait_for_job() { within "${2:-120}" has_ended "$1"; }
# What the controller has forgotten has ended, too.
has_ended() {
    local shown
    shown=$(on ctl scontrol -o show job "$1" 2>&1) || { [[ $shown == *"Invalid job id"* ]] && return; }
    [[ $shown =~ JobState=(COMPLETED|FAILED|CANCELLED|TIMEOUT|NODE_FAIL|OUT_OF_MEMORY)' ' ]]
}
wait_until_running() { within "${2:-30}" job_is "$1" RUNNING; }

# The nodes out of service, each with its reason. (A node that the backfill scheduler has plans for is "planned" for a
# while, not idle: that is no fault of anybody's.)
drained_nodes() {
    { on ctl sinfo -h -N -t drain,down,fail -o '%N %T %E' || echo "sinfo does not answer"; } | sort -u
}

# Nothing of any job is left on a node (all have ended, so what holond takes for alive counts as well), and no node was
# drained.
nothing_is_left() {
    local host
    for host in $(on ctl sinfo -h -N -o %N | sort -u); do
        check "nothing is left on $host after $1" within 20 on "$host" holon doctor --leaks --expect-none
    done
    equal "no node was drained by $1" "" "$(drained_nodes)"
}

finish() {
    echo "1..$number"
    [[ $failures -eq 0 ]] || { echo "# $failures failed" && exit 1; }
    exit 0
}

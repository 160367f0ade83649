# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# Hosts come to life and end here, with the switch between them.

host_address() {
    if [[ $1 == ctl ]]; then echo 10.99.0.1; else echo "10.99.0.$((10#${1#n} + 10))"; fi
}

switch_create() {
    : >"$STATE/switch"
    unshare --net="$STATE/switch" ip link add br0 mtu 1600 type bridge stp_state 0 forward_delay 0
    nsenter --net="$STATE/switch" ip link set br0 up
}

# host_spawn HOST: lets its first process go; host_await waits until it stands in its own root.
host_spawn() {
    local name=$1 directory=$STATE/hosts/$1
    mkdir -p "$directory"
    rm -f "$directory/pid" "$directory/ready.fifo"
    mkfifo "$directory/ready.fifo"
    cgroups_make "$name"
    (
        join_host_cgroups "$name"
        exec env -i "${ROOT_ENVIRONMENT[@]}" setsid \
            unshare --net --mount --uts --ipc --pid --cgroup --fork --kill-child --propagation private \
            "$SCRIPTS/devcluster.d/host-init" "$STATE" "$name" "$(host_address "$name")" \
            </dev/null >"$directory/init.log" 2>&1 9<&-
    ) &
}

host_await() {
    local answer directory=$STATE/hosts/$1
    read -r -t "$PATIENCE" answer <>"$directory/ready.fifo" || answer="no sign of life"
    rm -f "$directory/ready.fifo"
    [[ $answer == up ]] || die "host $1 did not come up: $answer: $(tail -n 3 "$directory/init.log")"
    cgroups_settle "$1"
}

# host_kill HOST: what a power cut does. Its first process takes all others with it.
host_kill() {
    local directory=$STATE/hosts/$1 groups
    mapfile -t groups <"$directory/cgroups"
    if [[ -s $directory/pid ]]; then
        kill -KILL "$(<"$directory/pid")" 2>/dev/null || true
    fi
    within 20 cgroups_kill "${groups[@]}" ||
        die "processes of host $1 do not end: $(cgroups_processes "${groups[@]}" | xargs)"
    within 5 cgroups_rmdir "${groups[@]}" || die "cgroups of host $1 cannot be removed: ${groups[0]}"
    rm -f "$directory/pid"
}

host_is_on() {
    (host_pid "$1") >/dev/null 2>&1
}

hosts_power() {
    [[ $# -eq 2 ]] || die "usage: devcluster $1 HOST"
    need_root
    take_lock
    local name=$2
    [[ -d $STATE/hosts/$name ]] || die "no host '$name'; hosts are: $(hosts_known)"
    if [[ $1 == poweroff ]]; then
        host_is_on "$name" || die "host '$name' is off already"
        host_kill "$name"
        return
    fi
    ! host_is_on "$name" || die "host '$name' is on already"
    host_kill "$name"
    host_spawn "$name"
    host_await "$name"
    services_start "$name"
}

# stage_copy FROM TO: a staging tree as a root user would have installed it, whoever built it.
stage_copy() {
    mkdir -p "$2"
    cp -rT --preserve=mode,timestamps,links "$1" "$2"
}

hosts_install() {
    [[ $# -ge 1 ]] || die "usage: devcluster install HOST [DIR]"
    need_root
    local stage=${2:-$(stage_default)}
    [[ -d $stage ]] || die "no staging tree '$stage'"
    # tar makes each file anew, so that a running program keeps the one it has.
    tar -C "$stage" --owner=root --group=root -c . | in_host "$1" tar -C / --keep-directory-symlink -x
}

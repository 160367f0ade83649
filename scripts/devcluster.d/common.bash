# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034  # the variables are for the other parts
#
# Where things are, how to speak to the user, and how to get into a host.

# Several clusters can be up side by side, told apart by a name.
CLUSTER=holon-devcluster${HOLON_DEVCLUSTER:+-$HOLON_DEVCLUSTER}
# Everything about the running cluster, a tmpfs of its own: settings, the shared layer of configuration files, and one
# folder per host with its pid, its cgroups and the upper directory of its root. Gone after `down`.
STATE=/run/$CLUSTER
# What is too big for memory: /shared, /home, and each host's /tmp and /var/lib/holon. Gone after `down`.
BULK=/var/lib/$CLUSTER
# What is worth keeping between runs, for all clusters; removing it costs only time.
CACHE=${HOLON_DEVCLUSTER_CACHE:-/var/cache/holon-devcluster}
# Seconds after which a host or a daemon that is not ready is taken for broken.
PATIENCE=${HOLON_DEVCLUSTER_PATIENCE:-60}

SYSTEM_PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
ROOT_ENVIRONMENT=("PATH=$SYSTEM_PATH" HOME=/root USER=root LOGNAME=root SHELL=/bin/bash LANG=C.UTF-8
    "TERM=${TERM:-dumb}")

die() {
    printf 'devcluster: %s\n' "$*" >&2
    exit 1
}

say() {
    printf 'devcluster: %s\n' "$*"
}

[[ $CLUSTER =~ ^[a-z0-9-]+$ ]] || die "HOLON_DEVCLUSTER '$HOLON_DEVCLUSTER': small letters, digits and dashes"

need_root() {
    [[ $EUID -eq 0 ]] || die "must be run as root"
}

# since MARK: seconds since MARK, a value of EPOCHREALTIME, as "1.3 s".
since() {
    local microseconds=$((${EPOCHREALTIME/./} - ${1/./}))
    printf '%d.%d s' $((microseconds / 1000000)) $((microseconds / 100000 % 10))
}

# within SECONDS CMD…: repeats CMD until it succeeds; fails when the time is over.
within() {
    local deadline=$((${EPOCHREALTIME/./} + $1 * 1000000))
    shift
    until "$@" >/dev/null 2>&1; do
        [[ ${EPOCHREALTIME/./} -lt $deadline ]] || return 1
        sleep 0.03
    done
}

host_pid() {
    local pid
    [[ -d $STATE/hosts ]] || die "no cluster is up (start one with: scripts/devcluster up)"
    [[ -d $STATE/hosts/$1 ]] || die "no host '$1'; hosts are: $(hosts_known)"
    if ! { read -r pid <"$STATE/hosts/$1/pid"; } 2>/dev/null || [[ ! -d /proc/$pid ]]; then
        die "host '$1' is off"
    fi
    echo "$pid"
}

hosts_known() {
    local host names=()
    for host in "$STATE"/hosts/*; do
        [[ ! -d $host ]] || names+=("${host##*/}")
    done
    echo "${names[*]}"
}

# A process gets into a cgroup namespace's view only from within the host's cgroup, so it moves there first (0 is the
# writer itself).
join_host_cgroups() {
    local directory
    while read -r directory; do
        echo 0 >"$directory/cgroup.procs"
    done <"$STATE/hosts/$1/cgroups.join"
}

# exec_in_host HOST CMD…: becomes CMD as root in all of the host's namespaces and in its cgroup.
exec_in_host() {
    local pid
    [[ $EUID -eq 0 ]] || die "must be run as root"
    pid=$(host_pid "$1")
    join_host_cgroups "$1"
    exec nsenter -t "$pid" -n -m -u -i -p -C -- "${@:2}"
}

exec_as_user() {
    local user=$1 host=$2 home=/home/$1
    [[ $user == root ]] && home=/root
    shift 2
    exec_in_host "$host" setpriv "--reuid=$user" "--regid=$user" --init-groups --reset-env \
        env -C "$home" PATH=/usr/local/bin:/usr/bin:/bin LANG=C.UTF-8 "$@"
}

# in_host HOST CMD…: the same for use within this script.
in_host() {
    (exec_in_host "$1" env -i "${ROOT_ENVIRONMENT[@]}" "${@:2}") 9<&-
}

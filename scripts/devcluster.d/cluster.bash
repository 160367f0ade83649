# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# The cluster as a whole: up, down, status, logs.

# Held by descriptor 9 while the cluster is being changed; the daemons must not inherit it.
take_lock() {
    mkdir -p "$CACHE"
    exec 9>"$CACHE/$CLUSTER.lock"
    flock -n 9 || die "another devcluster command is changing the cluster"
}

# Held while a root is made or Holon is built in it.
# Once is enough: whoever has it may be asked for it again, in a subshell too.
take_release_lock() {
    mkdir -p "$CACHE/$RELEASE"
    [[ ! /dev/fd/8 -ef $CACHE/$RELEASE ]] || return 0
    exec 8<"$CACHE/$RELEASE"
    flock -n 8 || die "another devcluster command is at work on the root or the build for $RELEASE"
}

stage_default() {
    echo "${HOLON_STAGE:-${SCRIPTS%/*}/build/stage}"
}

options_parse() {
    NODES=3 CPUS=$(nproc) MEM=2500 RELEASE=$(machine_release) PREFIX=""
    while [[ $# -gt 0 ]]; do
        [[ $# -ge 2 || $1 != --* ]] || die "up: $1 needs a value"
        case $1 in
        --nodes) NODES=$2 ;;
        --cpus) CPUS=$2 ;;
        --mem) MEM=$2 ;;
        --release) RELEASE=$2 ;;
        --prefix) PREFIX=$2 ;;
        *) die "up: unknown option '$1'; options are: --nodes --cpus --mem --release --prefix" ;;
        esac
        shift 2
    done
    [[ $NODES =~ ^[1-9][0-9]*$ && $NODES -le 200 ]] || die "up: --nodes '$NODES': a number from 1 to 200"
    [[ $CPUS =~ ^[1-9][0-9]*$ && $CPUS -le 1024 ]] || die "up: --cpus '$CPUS': a number from 1 to 1024"
    [[ $MEM =~ ^[1-9][0-9]*$ && $MEM -ge 100 ]] || die "up: --mem '$MEM': MB per node, at least 100"
    release_is_known up
    [[ -z $PREFIX || -d $PREFIX ]] || die "up: --prefix '$PREFIX': no such directory"
}

settings_options() {
    declare -p NODES CPUS MEM RELEASE PREFIX
}

settings_write() {
    {
        settings_options
        HOST_CACHE=$CACHE/$RELEASE
        declare -p BASE BULK HOST_CACHE IMAGES
    } >"$STATE/settings"
}

cluster_up() {
    need_root
    options_parse "$@"
    take_lock
    local began=$EPOCHREALTIME mark=$EPOCHREALTIME host waiting=() stage
    if leftovers; then
        if cluster_is_whole; then
            cluster_is_what_is_wanted
            return
        fi
        say "removing what is left of a cluster that did not end well"
        cluster_end
        mark=$EPOCHREALTIME
    fi
    trap '[[ $? -eq 0 ]] || say "not up; what its hosts wrote is in $STATE/hosts/*/{init.log,upper/var/log}" >&2' EXIT

    BASE=$(root_find)
    HOSTS=(ctl)
    for ((i = 1; i <= NODES; i++)); do HOSTS+=("n$i"); done
    IMAGES=${HOLON_IMAGES:-/var/lib/holon/images}
    [[ -d $IMAGES ]] || IMAGES=$BULK/images
    mkdir -p "$STATE" "$BULK/images"
    mount -t tmpfs -o mode=0755 "$CLUSTER" "$STATE"
    mkdir -p "$STATE"/{layer,stage,hosts}
    settings_write
    cgroups_hierarchies >"$STATE/hierarchies"
    stage=$(stage_wanted)
    if [[ -d $stage ]]; then
        stage_copy "$stage" "$STATE/stage"
    fi
    layer_write
    switch_create
    for host in "${HOSTS[@]}"; do host_spawn "$host"; done
    for host in "${HOSTS[@]}"; do host_await "$host"; done
    say "hosts ${HOSTS[*]} exist ($(since "$mark"))"

    mark=$EPOCHREALTIME
    database_files
    for host in "${HOSTS[@]}"; do
        services_start "$host" &
        waiting+=($!)
    done
    for host in "${waiting[@]}"; do
        wait "$host" || die "a daemon did not start"
    done
    say "daemons run ($(since "$mark"))"

    mark=$EPOCHREALTIME
    within "$PATIENCE" nodes_idle ||
        die "not every node is idle after $PATIENCE s: $(in_host ctl timeout 5 sinfo -h -N -o '%N %T' | xargs)"
    touch "$STATE/whole"
    say "$NODES nodes with $CPUS CPUs and $MEM MB are idle in Slurm ($(since "$mark"))"
    if [[ ! -x $STATE/stage/usr/sbin/holond ]]; then
        say "plain Slurm: no Holon is installed in ${stage:-a staging tree}"
    fi
    say "up in $(since "$began"). Now: $0 login | $0 run HOST CMD… | $0 down"
}

# cluster_is_whole: whether each of its hosts lives and slurmctld answers.
cluster_is_whole() {
    local directory
    [[ -e $STATE/whole ]] || return 1
    for directory in "$STATE"/hosts/*; do
        host_is_on "${directory##*/}" || return 1
    done
    daemon_on ctl answers slurmctld
}

# A cluster with other people's jobs on it is not replaced without being asked to.
cluster_is_what_is_wanted() {
    local wanted running
    wanted=$(settings_options)
    # shellcheck source=/dev/null
    running=$(source "$STATE/settings" && settings_options)
    [[ $wanted == "$running" ]] || die "a cluster is up with other options (see: $0 status); end it first with: $0 down"
    if [[ -n $(find "$(stage_wanted)" -newer "$STATE/settings" -type f -print -quit 2>/dev/null) ]]; then
        die "a cluster is up with an older build of $(stage_wanted); end it first with: $0 down"
    fi
    say "up already. Now: $0 login | $0 run HOST CMD… | $0 down"
}

stage_wanted() {
    if [[ -n $PREFIX ]]; then echo "$PREFIX"; else root_stage; fi
}

nodes_idle() {
    [[ $(in_host ctl timeout 5 sinfo -h -N -o %T | grep -cx idle) -eq $NODES ]]
}

# leftovers: whether a cluster is there, whole or in parts.
leftovers() {
    [[ -e $STATE || -e $BULK || -n $(cgroups_all) ]]
}

cluster_down() {
    need_root
    take_lock
    local began=$EPOCHREALTIME
    if ! leftovers; then
        say "nothing is up"
        return
    fi
    cluster_end
    say "down in $(since "$began")"
}

# cluster_end: works on whatever is left of a cluster, in any state.
cluster_end() {
    local groups file
    for file in "$STATE"/hosts/*/pid; do
        if [[ -s $file ]]; then kill -KILL "$(<"$file")" 2>/dev/null || true; fi
    done
    mapfile -t groups < <(cgroups_all)
    if [[ ${#groups[@]} -gt 0 ]]; then
        within 20 cgroups_kill "${groups[@]}" || die "processes do not end: $(cgroups_processes "${groups[@]}" | xargs)"
        within 10 cgroups_rmdir "${groups[@]}" || die "cgroups cannot be removed: ${groups[*]}"
    fi
    if mountpoint -q "$STATE/switch"; then umount "$STATE/switch"; fi
    while mountpoint -q "$STATE"; do umount -l "$STATE"; done
    rm -rf --one-file-system "$STATE" "$BULK"
}

cluster_status() {
    need_root
    local host directory daemon line
    if [[ ! -e $STATE/settings ]]; then
        say "down"
        return 3
    fi
    if [[ ! -e $STATE/whole ]]; then
        say "only in parts: it is being started, or its start was interrupted"
        return 3
    fi
    # shellcheck source=/dev/null
    source "$STATE/settings"
    echo "release $RELEASE, $NODES nodes, $CPUS CPUs and $MEM MB each"
    for directory in "$STATE"/hosts/*; do
        host=${directory##*/}
        if ! host_is_on "$host"; then
            printf '%-5s %-12s off\n' "$host" "$(host_address "$host")"
            continue
        fi
        line=""
        for daemon in $(daemon_on "$host" list); do
            if daemon_on "$host" alive "$daemon"; then line+=" $daemon"; else line+=" ($daemon is down)"; fi
        done
        printf '%-5s %-12s%s\n' "$host" "$(host_address "$host")" "$line"
    done
    if host_is_on ctl; then
        in_host ctl timeout 5 sinfo || true
    fi
}

cluster_logs() {
    need_root
    local follow=() host daemon files=()
    while [[ $# -gt 0 ]]; do
        case $1 in
        -f) follow=(-F) ;;
        *) if [[ -z ${host-} ]]; then host=$1; else daemon=$1; fi ;;
        esac
        shift
    done
    [[ -n ${host-} ]] || die "usage: devcluster logs HOST [DAEMON] [-f]"
    [[ -d $STATE/hosts/$host ]] || die "no host '$host'; hosts are: $(hosts_known)"
    # They lie in the host's upper directory, readable after its death.
    mapfile -t files < <(find "$STATE/hosts/$host/upper/var/log" "$STATE/hosts/$host/init.log" \
        -name "${daemon-}*.log" -size +0)
    [[ ${#files[@]} -gt 0 ]] || die "no logs of '${daemon:-$host}' on $host"
    tail -n "${HOLON_LOG_LINES:-+1}" "${follow[@]}" "${files[@]}"
}

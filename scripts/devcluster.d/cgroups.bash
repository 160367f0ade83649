# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# One cgroup per host in every version 1 hierarchy the machine has, nested under the caller's own, so that the caller's
# limits hold for the whole cluster. A version 2 hierarchy beside them has no controllers and only keeps the tree in
# step.
# Where version 2 is all there is, the hosts lie under the hierarchy's root: controllers can be enabled only from there
# downwards, and only in cgroups without processes, so that a host's processes live in a leaf "daemons" of its cgroup.

cgroups_version() {
    if grep -q '^[0-9]*:[^:]' /proc/self/cgroup; then echo 1; else echo 2; fi
}

cgroups_v1_root() {
    findmnt -n -r -t cgroup -O "$1" -o TARGET | head -n 1
}

# cgroups_hierarchies: one line "MOUNTPOINT OWN_PATH" per hierarchy.
cgroups_hierarchies() {
    local controllers path mountpoint
    if [[ $(cgroups_version) == 2 ]]; then
        findmnt -n -r -t cgroup2 -o TARGET | head -n 1
        return
    fi
    while IFS=: read -r _ controllers path; do
        if [[ -z $controllers ]]; then
            mountpoint=$(findmnt -n -r -t cgroup2 -o TARGET | head -n 1)
        else
            mountpoint=$(cgroups_v1_root "$controllers")
        fi
        [[ -n $mountpoint ]] || continue
        echo "$mountpoint ${path%/}"
    done </proc/self/cgroup
}

# cgroups_make HOST: creates them and writes their directories into the host's folder.
cgroups_make() {
    local mountpoint path parent directory file
    : >"$STATE/hosts/$1/cgroups"
    while read -r mountpoint path; do
        parent=$mountpoint$path/$CLUSTER
        directory=$parent/$1
        mkdir -p "$parent"
        if [[ -e $parent/cgroup.subtree_control && $(cgroups_version) == 2 ]]; then
            cgroups_enable "$mountpoint" "$parent"
        fi
        if [[ -e $parent/cgroup.clone_children ]]; then
            echo 1 >"$parent/cgroup.clone_children"
        fi
        for file in cpuset.cpus cpuset.mems; do
            if [[ -e $parent/cgroup.clone_children && -e $parent/$file ]]; then
                cat "$mountpoint$path/$file" >"$parent/$file"
            fi
        done
        mkdir -p "$directory"
        echo "$directory" >>"$STATE/hosts/$1/cgroups"
    done <"$STATE/hierarchies"
    cp "$STATE/hosts/$1/cgroups" "$STATE/hosts/$1/cgroups.join"
}

cgroups_enable() {
    local directory
    for directory; do
        echo '+cpuset +cpu +memory +pids' >"$directory/cgroup.subtree_control" ||
            die "the controllers cpuset, cpu, memory and pids cannot be enabled in $directory"
    done
}

# cgroups_settle HOST: moves the processes of a host that has just come up, and those to come, into the leaf.
cgroups_settle() {
    local directory pid
    [[ $(cgroups_version) == 2 ]] || return 0
    read -r directory <"$STATE/hosts/$1/cgroups"
    mkdir "$directory/daemons" "$directory/system.slice" # in the latter slurmd wants to make its steps' scope
    while read -r pid; do
        echo "$pid" >"$directory/daemons/cgroup.procs"
    done < <(cat "$directory/cgroup.procs")
    cgroups_enable "$directory" "$directory/system.slice"
    echo "$directory/daemons" >"$STATE/hosts/$1/cgroups.join"
}

# cgroups_all: every cgroup of this or an earlier cluster, whoever started it.
cgroups_all() {
    find /sys/fs/cgroup -type d -name "$CLUSTER" 2>/dev/null || true
}

cgroups_processes() {
    find "$@" -name cgroup.procs -exec cat {} + 2>/dev/null | sort -u
}

cgroups_empty() {
    [[ -z $(cgroups_processes "$@") ]]
}

# cgroups_kill DIR…: ends every process in them. Membership is what names them, never a program's name.
cgroups_kill() {
    local pids
    mapfile -t pids < <(cgroups_processes "$@")
    [[ ${#pids[@]} -eq 0 ]] || kill -KILL "${pids[@]}" 2>/dev/null || true
    cgroups_empty "$@"
}

cgroups_rmdir() {
    find "$@" -depth -type d -exec rmdir {} + 2>/dev/null
    local directory
    for directory; do
        [[ ! -e $directory ]] || return 1
    done
}

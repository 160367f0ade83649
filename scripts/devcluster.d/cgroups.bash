# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# One cgroup per host in every version 1 hierarchy the machine has, nested under the caller's own, so that the caller's
# limits hold for the whole cluster. The version 2 hierarchy beside them has no controllers and only keeps the tree in
# step.

# cgroups_hierarchies: one line "MOUNTPOINT OWN_PATH" per hierarchy.
cgroups_hierarchies() {
    local controllers path mountpoint
    while IFS=: read -r _ controllers path; do
        if [[ -z $controllers ]]; then
            mountpoint=$(findmnt -n -r -t cgroup2 -o TARGET | head -n 1)
        else
            mountpoint=$(findmnt -n -r -t cgroup -O "$controllers" -o TARGET | head -n 1)
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
        parent=$mountpoint$path/holon-devcluster
        directory=$parent/$1
        mkdir -p "$parent"
        if [[ -e $parent/cgroup.clone_children ]]; then
            echo 1 >"$parent/cgroup.clone_children"
        fi
        for file in cpuset.cpus cpuset.mems; do
            if [[ -e $parent/$file ]]; then
                cat "$mountpoint$path/$file" >"$parent/$file"
            fi
        done
        mkdir -p "$directory"
        echo "$directory" >>"$STATE/hosts/$1/cgroups"
    done <"$STATE/hierarchies"
}

# cgroups_all: every cgroup of this or an earlier cluster, whoever started it.
cgroups_all() {
    find /sys/fs/cgroup -type d -name holon-devcluster 2>/dev/null || true
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

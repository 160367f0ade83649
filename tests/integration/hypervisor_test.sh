#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# VMs through a real libvirtd: as the job's user, inside the job's cgroup, and what is told when they end. Needs root
# and the image "tiny" for its kernel. Everything happens in namespaces and cgroups that end with it.
set -euo pipefail
cd "$(dirname "$0")/../.."
build=${HOLON_BUILD:-build/release}

if [[ ${1-} != --inside ]]; then
    # The trial's own directory in each cgroup v1 hierarchy that confines jobs, below the caller's.
    cgroups=()
    for controller in memory cpuset; do
        mountpoint=$(findmnt -n -r -t cgroup -O "$controller" -o TARGET | head -n 1)
        [[ -n $mountpoint ]] || continue
        own=$(sed -n "s/^[0-9]*:\([^:]*,\)\?$controller\(,[^:]*\)\?://p" /proc/self/cgroup)
        directory=$mountpoint${own%/}/holon_trial_$$
        mkdir "$directory"
        cgroups+=("$directory")
        if [[ $controller == cpuset ]]; then
            cat "$mountpoint$own/cpuset.cpus" >"$directory/cpuset.cpus"
            cat "$mountpoint$own/cpuset.mems" >"$directory/cpuset.mems"
        fi
    done
    # QEMU runs as the job's user and saves in the background: the whole machine's setting, put back at the end.
    userfaultfd=/proc/sys/vm/unprivileged_userfaultfd
    userfaultfd_was=$(cat $userfaultfd)
    echo 1 >$userfaultfd
    scratch=$(mktemp -d)
    # shellcheck disable=SC2317  # called by the trap
    clean() {
        local directory
        for directory in "${cgroups[@]}"; do
            find "$directory" -depth -type d -exec rmdir {} +
        done
        rm -rf "$scratch"
        echo "$userfaultfd_was" >$userfaultfd
    }
    trap clean EXIT
    if [[ ${#cgroups[@]} -eq 0 ]]; then
        echo "no cgroup version 1 hierarchy here; the cluster's tests cover version 2"
        exit 0
    fi
    HOLON_TRIAL_CGROUPS="${cgroups[*]}" HOLON_TRIAL_DIR=$scratch \
        unshare --net --mount --pid --fork --kill-child --mount-proc "$0" --inside "$@"
    exit
fi
shift

# Nothing of the machine's own libvirt is seen or touched.
mount -t tmpfs -o mode=0755 none /run
for directory in /var/lib/libvirt /var/cache/libvirt /var/log/libvirt; do
    mkdir -p "$directory"
    mount -t tmpfs -o mode=0755 none "$directory"
done
chmod 0755 "$HOLON_TRIAL_DIR"
mkdir "$HOLON_TRIAL_DIR/etc"
mount -t tmpfs none "$HOLON_TRIAL_DIR/etc"
mkdir "$HOLON_TRIAL_DIR/etc/upper" "$HOLON_TRIAL_DIR/etc/work"
mount -t overlay -o "lowerdir=/etc,upperdir=$HOLON_TRIAL_DIR/etc/upper,workdir=$HOLON_TRIAL_DIR/etc/work" none /etc
# libvirtd 9 ends at once without these, which come with a package made for systemd.
getent passwd libvirt-qemu >/dev/null || echo 'libvirt-qemu:x:64055:64055::/var/lib/libvirt:/usr/sbin/nologin' >>/etc/passwd
getent group libvirt-qemu >/dev/null || echo 'libvirt-qemu:x:64055:' >>/etc/group
getent group kvm >/dev/null || echo 'kvm:x:64056:' >>/etc/group
rm -rf /etc/libvirt
mkdir /etc/libvirt
cat >/etc/libvirt/libvirtd.conf <<'END'
auth_unix_ro = "none"
auth_unix_rw = "none"
unix_sock_dir = "/run/libvirt"
END
cat >/etc/libvirt/qemu.conf <<'END'
user = "root"
group = "root"
security_driver = "none"
cgroup_controllers = []
namespaces = []
stdio_handler = "file"
remember_owner = 0
lock_manager = "nop"
END

# The usual rights of the device, so that what is tried is whether it works.
if [[ -e /dev/kvm ]]; then
    mknod -m 0660 /run/kvm c 10 232
    chgrp kvm /run/kvm
    mount --bind /run/kvm /dev/kvm
fi

HOLON_TRIAL_KERNEL=$(readlink -f "${HOLON_IMAGES:-/var/lib/holon/images}/tiny/vmlinux")
export HOLON_TRIAL_KERNEL
"$build/tests/integration/hypervisor.d/hypervisor_trial" "$@" || {
    grep -v ethtool /run/libvirtd.log | tail -n 20 >&2
    exit 1
}

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# debian: the release this machine runs, on a disk, with what MPI and threaded programs need: compilers, OpenMPI,
# ssh, Python. Kernel and initramfs as in tiny. No init system is in it: holon-guest is the guest's first process.
set -euo pipefail
. "$(dirname "$0")/common.sh"
start "$@"

packages=(
    openssh-server openssh-client openmpi-bin libopenmpi-dev gcc g++ make libc6-dev python3 bash
    iproute2 iputils-ping procps numactl libgomp1 kmod netbase less xz-utils sqlite3
)
disk_size=8G   # as guests see it; the file grows only with what is written

# The lines of the machine's apt sources that belong to its own release; mmdebstrap finds Debian's keys.
machine_sources() {
    # shellcheck disable=SC2016  # apt expands these
    apt-get indextargets --format \
        '$(ORIGIN)|$(CODENAME)|$(REPO_URI)|$(RELEASE)|$(COMPONENT)|$(CREATED_BY)' |
        while IFS='|' read -r origin codename uri suite component created; do
            [ "$created" = Packages ] && [ "$origin" = Debian ] || continue
            case $codename in
                "$VERSION_CODENAME" | "$VERSION_CODENAME"-updates | "$VERSION_CODENAME"-security) ;;
                *) continue ;;
            esac
            printf 'deb %s %s %s\n' "$uri" "$suite" "$component"
        done | sort -u
}

. /etc/os-release
[ "${ID:-}" = debian ] && [ -n "${VERSION_CODENAME:-}" ] ||
    die "this machine runs ${PRETTY_NAME:-another system}; the recipe needs Debian and its apt sources"
for tool in mmdebstrap:mmdebstrap mke2fs:e2fsprogs qemu-img:qemu-utils; do
    command -v "${tool%:*}" >/dev/null || die "${tool%:*} is not installed; apt-get install ${tool#*:}"
done

fetch_kernel
say "kernel: unpacking $release"
extract_vmlinux "$kernel_tree/boot/vmlinuz-$release" "$output/vmlinux"

say "initramfs: modules"
initramfs=$work/initramfs
mkdir -p "$initramfs"/{dev,proc,sys,run}
add_modules "$initramfs" modules.load "${boot_modules[@]}" "${disk_modules[@]}"
add_modules "$initramfs" modules.smp "${smp_modules[@]}"
pack_initramfs "$initramfs" "$output/initrd.cpio"

machine_sources >"$work/sources.list"
[ -s "$work/sources.list" ] || die "no apt source of this machine is Debian's $VERSION_CODENAME; run apt-get update"
root=$work/root
archives=$cache/$VERSION_CODENAME-archives
mkdir -p "$archives"
say "root: Debian $VERSION_CODENAME with ${#packages[@]} chosen packages"
# Packages of the last build are put back into apt's cache, and those of this one kept for the next.
quietly mmdebstrap --mode=root --format=directory --variant=minbase \
    --include="$(IFS=,; echo "${packages[*]}")" \
    --aptopt='APT::Sandbox::User "root"' \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/info/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
    --dpkgopt='path-include=/usr/share/doc/*/copyright' \
    --skip=download/empty --skip=essential/unlink \
    --setup-hook='mkdir -p "$1/var/cache/apt/archives"' \
    --setup-hook="sync-in '$archives' /var/cache/apt/archives" \
    --customize-hook="sync-out /var/cache/apt/archives '$archives'" \
    "$VERSION_CODENAME" "$root" "$work/sources.list"
rm -f "$archives/lock"
rm -rf "$archives/partial"

say "root: modules and settings"
# What jobs may want to load later: file systems, networks, their libraries. Devices no VM has are left out.
target=$root/usr/lib/modules/$release
mkdir -p "$target/kernel/drivers/net"
cp "$kernel_tree/lib/modules/$release"/modules.* "$target/"
cp -r "$modules"/{fs,net,lib,crypto,arch} "$target/kernel/"
cp -r "$modules"/drivers/{block,virtio} "$target/kernel/drivers/"
cp "$modules"/drivers/net/*.ko "$target/kernel/drivers/net/"
cp -r "$modules"/drivers/net/{bonding,ipvlan,macvlan,vxlan} "$target/kernel/drivers/net/" 2>/dev/null || true
quietly chroot "$root" depmod "$release"
# Host keys made at installation would be the same in every VM of every job; holon-guest brings each job its own.
rm -f "$root"/etc/ssh/ssh_host_*
# What tells of the machine that built it.
rm -rf "$root"/etc/resolv.conf "$root"/etc/hostname "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/* \
    "$root"/var/log/* "$root"/tmp/* "$root"/run/*
: >"$root/etc/machine-id"
printf '127.0.0.1 localhost\n' >"$root/etc/hosts"
mkdir -p "$root/etc/profile.d"
find "$root" -newermt '1971-01-01' -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +

say "disk: writing the file system"
# No journal: an overlay lives as long as its VM, and a VM that stops half-way takes it along. No checksums: the guest
# may have to compute them under emulation. Inode tables are written out now, or every VM would do it by itself.
uuid=8b6a3c1e-4f0d-4b3f-9c51-686f6c6f6e00
export E2FSPROGS_FAKE_TIME=1
truncate -s $disk_size "$work/disk.raw"
quietly mke2fs -q -F -t ext4 -O ^has_journal,^metadata_csum,uninit_bg -m 0 -i 32768 -L holon-root -U $uuid \
    -E "hash_seed=$uuid,lazy_itable_init=0,root_owner=0:0" -d "$root" "$work/disk.raw"
# Compressed: a third of the size, and guests read it no slower.
quietly qemu-img convert -f raw -O qcow2 -c -o compression_type=zstd "$work/disk.raw" "$output/disk.qcow2"

cat >"$output/image.yaml" <<END
description: Debian $VERSION_CODENAME with OpenMPI, gcc, python3 and ssh, Linux $release
kernel: vmlinux
initrd: initrd.cpio
disk: disk.qcow2
disk_format: qcow2
root: /dev/vda
root_type: ext4
min_memory_mb: 128
END
say "debian: $(du -ch "$output"/*[!.]* | tail -n 1 | cut -f 1) in all"

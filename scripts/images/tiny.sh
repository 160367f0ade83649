#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# tiny: a kernel and an initramfs with BusyBox and bash, no disk. Boots in about a second under TCG; made for tests
# and first steps. Its kernel and modules also boot users' own disk files (images.user_file_kernel).
set -euo pipefail
. "$(dirname "$0")/common.sh"
start "$@"

fetch_kernel
say "kernel: unpacking $release"
extract_vmlinux "$kernel_tree/boot/vmlinuz-$release" "$output/vmlinux"

say "userland: busybox-static, bash-static"
package busybox-static "$work/userland"
package bash-static "$work/userland"
root=$work/root
mkdir -p "$root"/{bin,sbin,usr/bin,usr/sbin,etc,dev,proc,sys,run,home,mnt,root,holon,var/log,var/tmp,tmp}
chmod 700 "$root/root"
chmod 1777 "$root/tmp" "$root/var/tmp"
cp "$work/userland/bin/busybox" "$root/bin/busybox"
cp "$work/userland/bin/bash-static" "$root/bin/bash"
"$root/bin/busybox" --list-full | while read -r applet; do
    [ -e "$root/$applet" ] || { mkdir -p "$root/$(dirname "$applet")"; ln -s /bin/busybox "$root/$applet"; }
done
ln -sf /bin/bash "$root/usr/bin/bash"
ln -sf /bin/busybox "$root/usr/bin/sh"

printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n' >"$root/etc/passwd"
printf 'root:x:0:\ntty:x:5:\nnogroup:x:65534:\n' >"$root/etc/group"
printf '127.0.0.1 localhost\n' >"$root/etc/hosts"
printf '/bin/sh\n/bin/bash\n' >"$root/etc/shells"
cat >"$root/etc/profile" <<'END'
export PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin
PS1='\u@\h:\w\$ '
END

say "modules: virtio, disks and file systems"
add_modules "$root" modules.load "${boot_modules[@]}"
add_modules "$root" modules.disk "${disk_modules[@]}"   # only a user's disk needs these
add_modules "$root" modules.disk.xfs xfs
add_modules "$root" modules.smp "${smp_modules[@]}"
# On board for insmod and modprobe; nothing loads them at boot.
add_modules "$root" modules.more overlay
rm "$root/holon/modules.more"
find "$root/lib/modules" -name '*.ko' | sort | while read -r file; do
    printf '%s:' "${file#"$root/lib/modules/$release/"}"
    # Dependencies of dependencies too, nearest last, as modprobe reads the line from its end.
    modules_in_order "$(basename "$file" .ko)" | head -n -1 | tac | sed "s|^$kernel_tree/lib/modules/$release/| |" | tr -d '\n'
    printf '\n'
done >"$work/modules.dep"
mv "$work/modules.dep" "$root/lib/modules/$release/modules.dep"

say "initramfs: packing"
pack_initramfs "$root" "$output/initrd.cpio"

cat >"$output/image.yaml" <<END
description: BusyBox and bash in memory, Linux $release
kernel: vmlinux
initrd: initrd.cpio
min_memory_mb: 112
END
say "tiny: $(du -ch "$output"/* | tail -n 1 | cut -f 1) in all"

# SPDX-License-Identifier: GPL-2.0-or-later
# What the image recipes share. Sourced by bash with `set -euo pipefail`, after which a recipe calls
# `start "$@"`. A recipe is called as
#     RECIPE.sh OUTPUT_DIR
# fills OUTPUT_DIR (which exists and is empty) with image.yaml and the files it names, prints one line per
# phase on stdout, and says what went wrong on stderr. Packages come from the machine's own apt sources and
# are unpacked, never installed; they are kept in HOLON_IMAGE_CACHE for the next build.

# Fixed so that two builds from the same packages give the same files.
export SOURCE_DATE_EPOCH=0 LC_ALL=C DEBIAN_FRONTEND=noninteractive
umask 022

say() { printf '%s\n' "$*"; }
die() { printf '%s: %s\n' "${recipe:-image recipe}" "$*" >&2; exit 1; }

start() {
    recipe=$(basename "$0" .sh)
    [ $# -eq 1 ] && [ -d "$1" ] || die "usage: $0 OUTPUT_DIR"
    output=$(cd "$1" && pwd)
    cache=${HOLON_IMAGE_CACHE:-/var/cache/holon/recipes}
    mkdir -p "$cache/debs"
    # Beside the result unless TMPDIR says otherwise: there is room, and whoever sweeps an unfinished image sweeps it too.
    work=$(mktemp -d "${TMPDIR:-$output}/.work.XXXXXX")
    chmod 755 "$work"
    trap 'rm -rf --one-file-system "$work"' EXIT
    trap 'exit 1' HUP INT TERM
    set -o errtrace
    trap 'die "line $LINENO: $BASH_COMMAND failed"' ERR
}

# Runs a command whose output matters only when it fails.
quietly() {
    "$@" >"$work/log" 2>&1 || { tail -n 20 "$work/log" >&2; die "$1 failed"; }
}

# What FIELD says of the package NAME in the version that apt would install; empty where apt does not know it.
package_field() {
    { apt-cache show --no-all-versions "$1" 2>/dev/null || true; } | sed -n "s/^$2: //p" | sed -n 1p
}

# version_of NAME: the version apt would install, with package lists fetched where the machine has none.
version_of() {
    local version
    version=$(package_field "$1" Version)
    if [ -z "$version" ]; then
        quietly apt-get -o DPkg::Lock::Timeout=300 -o APT::Sandbox::User=root update
        version=$(package_field "$1" Version)
    fi
    [ -n "$version" ] || die "the apt sources of this machine have no package $1"
    printf '%s\n' "$version"
}

# package NAME DIR: unpacks the package NAME into DIR.
package() {
    local name=$1 dir=$2 version deb
    version=$(version_of "$name")
    deb() { find "$cache/debs" -name "${name}_${version//:/%3a}_*.deb" | sed -n 1p; }
    [ -n "$(deb)" ] || (cd "$cache/debs" && quietly apt-get -o APT::Sandbox::User=root download "$name=$version")
    deb=$(deb)
    [ -n "$deb" ] || die "apt-get download $name left no package of version $version in $cache/debs"
    mkdir -p "$dir"
    quietly dpkg-deb -x "$deb" "$dir"
}

# need TOOL PACKAGE: makes TOOL callable, from its unpacked package where the machine does not have it.
need() {
    command -v "$1" >/dev/null && return
    package "$2" "$work/tools"
    PATH="$PATH:$work/tools/usr/bin:$work/tools/bin:$work/tools/usr/sbin:$work/tools/sbin"
    command -v "$1" >/dev/null || die "$1 is not in the package $2"
}

# Number stored little-endian in SIZE bytes at OFFSET of FILE.
number_at() { od -An -v -t "u$3" -j "$2" -N "$3" --endian=little "$1" | tr -d ' '; }

# extract_vmlinux BZIMAGE VMLINUX. The boot protocol (Documentation/arch/x86/boot.rst) says where the compressed
# payload lies. QEMU starts the uncompressed kernel through its PVH note, which saves the guest the decompression.
extract_vmlinux() {
    local image=$1 out=$2 setup offset length magic decompress
    [ "$(number_at "$image" 514 4)" = $((0x53726448)) ] || die "$image is not a bzImage"
    setup=$(number_at "$image" 497 1)
    offset=$(($(number_at "$image" 584 4) + (setup + 1) * 512))
    length=$(number_at "$image" 588 4)
    magic=$(od -An -v -t x1 -j $offset -N 4 "$image" | tr -d ' ')
    case $magic in
        1f8b*) decompress='gzip -dc' ;;
        fd377a58) decompress='xz -dc'; need xz xz-utils; length=$((length - 4)) ;;
        28b52ffd) decompress='zstd -dc'; need zstd zstd; length=$((length - 4)) ;;
        02214c18) decompress='lz4 -dc'; need lz4 lz4; length=$((length - 4)) ;;
        *) die "$image: unknown compression (payload starts with $magic)" ;;
    esac
    # All but gzip are followed by four bytes of uncompressed size, which is not part of the stream.
    dd if="$image" of="$work/payload" iflag=skip_bytes,count_bytes skip=$offset count="$length" bs=1M status=none
    $decompress <"$work/payload" >"$out" || die "$image: the payload does not decompress"
    [ "$(od -An -t x1 -N 4 "$out" | tr -d ' ')" = 7f454c46 ] || die "$image: the payload is not an ELF kernel"
}

# fetch_kernel: the distribution's kernel for clouds into $kernel_tree, its release into $release.
fetch_kernel() {
    local meta=linux-image-cloud-amd64 image
    version_of $meta >/dev/null
    # The metapackage depends on the image itself: "linux-image-6.1.0-13-cloud-amd64 (= 6.1.55-1)".
    image=$(package_field $meta Depends)
    image=${image%% *}
    kernel_tree=$work/kernel
    say "kernel: $image"
    package "$image" "$kernel_tree"
    release=$(ls "$kernel_tree/lib/modules")
    modules=$kernel_tree/lib/modules/$release/kernel
    find "$modules" -name '*.ko' >"$work/modules"
}

# The file of the module NAME (in which '-' and '_' are the same); empty where it is built into the kernel.
module_file() { grep -E "/${1//[-_]/[-_]}\.ko$" "$work/modules" || true; }

# Prints the files of the named modules and of all they depend on, dependencies first, each once.
modules_in_order() {
    local name
    declare -A seen=()
    visit() {
        local file dep
        file=$(module_file "$1")
        [ -n "$file" ] && [ -z "${seen[$file]:-}" ] || return 0
        seen[$file]=1
        for dep in $(tr '\0' '\n' <"$file" | sed -n 's/^depends=//p' | tr ',' ' '); do visit "$dep"; done
        printf '%s\n' "$file"
    }
    for name; do visit "$name"; done
}

# add_modules ROOT LIST NAME…: copies modules with their dependencies into ROOT and writes their paths, in the
# order in which they must be loaded, to ROOT/holon/LIST; without those of modules.load, which is always loaded first.
add_modules() {
    local root=$1 list=$2 file path
    shift 2
    mkdir -p "$root/holon"
    modules_in_order "$@" | while read -r file; do
        path=${file#"$kernel_tree"}
        if [ "$list" != modules.load ] && grep -qxF "$path" "$root/holon/modules.load"; then continue; fi
        mkdir -p "$root$(dirname "$path")"
        cp "$file" "$root$path"
        printf '%s\n' "$path"
    done >"$root/holon/$list"
}

# What every guest needs to be reached, and for a root disk; see docs/image-format.md.
boot_modules=(virtio_pci virtio_console virtio_net virtio_rng)
disk_modules=(virtio_blk ext4 crc32c_generic)
# What the engine of --vm-smp wants: encryption between nodes, views of /proc and /sys.
smp_modules=(tls chacha_x86_64 poly1305_x86_64 chacha20poly1305 fuse)

# pack_initramfs ROOT FILE: a newc archive, sorted, owned by root, without times.
pack_initramfs() {
    need cpio cpio
    find "$1" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
    (cd "$1" && find . -mindepth 1 -printf '%P\0' | sort -z |
        cpio --quiet --null --create --format=newc --reproducible --owner=+0:+0 >"$2") ||
        die "cpio failed"
}

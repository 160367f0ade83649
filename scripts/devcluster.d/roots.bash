# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# The root file system under the hosts: the machine's own where it is of the wanted release, else one that mmdebstrap
# makes once, from the mirror that the machine's apt uses. Holon is built in the root it will run on, because Slurm
# loads only plugins built for its very release.

machine_release() {
    # shellcheck source=/dev/null
    (source /etc/os-release && echo "${VERSION_CODENAME:-sid}")
}

release_is_known() {
    [[ $RELEASE =~ ^(bookworm|trixie|sid)$ ]] || die "$1: --release '$RELEASE': bookworm, trixie or sid"
}

root_packages() {
    "$SCRIPTS/install-packages" --release "$RELEASE" --print build run
}

# root_find: prints the root directory of RELEASE, after making it where there is none or one of other packages.
root_find() {
    local root=$CACHE/root-$RELEASE
    if [[ $RELEASE == "$(machine_release)" ]]; then
        echo /
        return
    fi
    if [[ ! -d $root ]] || ! root_packages | cmp -s - "$root.packages"; then
        take_release_lock
        root_make "$root" >&2 || die "no root for $RELEASE; mmdebstrap says: $(tail -n 5 "$CACHE/root-$RELEASE.log")"
    fi
    echo "$root"
}

# root_stage: where `build` puts what it installs, and `up` takes it from.
root_stage() {
    if [[ $RELEASE == "$(machine_release)" ]]; then
        stage_default
    else
        echo "$CACHE/$RELEASE/stage"
    fi
}

# apt_sources: one line "URI SUITE LABEL" per source of Debian packages that the machine's apt has.
apt_sources() {
    # shellcheck disable=SC2016  # apt fills these in
    apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(LABEL) $(SIGNED_BY)' 'Created-By: Packages' | sort -u
}

root_make() {
    local root=$1 began=$EPOCHREALTIME mirror security keyring packages sources valid
    say "making a root for $RELEASE (once; takes a minute or two)"
    mirror=$(apt_sources | awk -v own="$(machine_release)" '$2 == own { print $1; exit }')
    security=$(apt_sources | awk -v own="$(machine_release)" '$2 == own "-security" { print $1; exit }')
    keyring=$(apt_sources | awk -v own="$(machine_release)" '$2 == own && $NF ~ /^\// { print $NF; exit }')
    keyring=${keyring:-/usr/share/keyrings/debian-archive-keyring.gpg}
    [[ -n $mirror ]] || die "apt has no source for $(machine_release): run apt-get update"
    sources=("deb $mirror $RELEASE main")
    if [[ $RELEASE != sid && -n $security ]]; then
        sources+=("deb $security $RELEASE-security main")
    fi
    valid=$(apt-config dump --format '%v' Acquire::Check-Valid-Until)
    packages=$(root_packages | paste -sd ,) || return 1
    rm -rf --one-file-system "$root.new"
    unshare --mount --propagation private \
        mmdebstrap --variant=minbase --format=directory "--keyring=$keyring" "--include=$packages" \
        --dpkgopt=force-unsafe-io --aptopt="Acquire::Check-Valid-Until \"${valid:-true}\"" \
        "$RELEASE" "$root.new" "${sources[@]}" >"$root.log" 2>&1 8<&- 9<&- || return 1
    rm -rf --one-file-system "$root"
    mv "$root.new" "$root"
    root_packages >"$root.packages"
    rm -f "$root.log"
    say "made $root ($(since "$began"))"
}

# roots_build [--release R] [TARGET…]: builds this source tree, and these targets, in the root of R and installs it into
# its staging tree.
roots_build() {
    need_root
    RELEASE=$(machine_release)
    while [[ $# -gt 0 ]]; do
        case $1 in
        --release) RELEASE=${2-} && shift 2 ;;
        -*) die "build: unknown option '$1'; the option is --release" ;;
        *) break ;;
        esac
    done
    release_is_known "build"
    take_release_lock
    local base stage source=${SCRIPTS%/*} began=$EPOCHREALTIME
    base=$(root_find)
    stage=$(root_stage)
    if [[ $base == / ]]; then
        "$SCRIPTS/devcluster.d/compile" "$source" "$source/build/release" "$stage" "$@" 8<&- 9<&-
    else
        # There is no network in there.
        "$SCRIPTS/slurm-headers" --release "$RELEASE" --root "$base" --cache "$CACHE/$RELEASE/slurm" --fetch-only \
            8<&- 9<&- >/dev/null || say "without the select plugin"
        env -i "${ROOT_ENVIRONMENT[@]}" unshare --mount --net --pid --fork --kill-child --propagation private \
            "$SCRIPTS/devcluster.d/compile-in-root" "$base" "$source" "$CACHE/$RELEASE/build" "$stage" \
            "$CACHE/ccache" "$CACHE/$RELEASE/slurm" "$@" 8<&- 9<&-
    fi
    say "built for $RELEASE into $stage ($(since "$began"))"
}

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What `cmake --install` lays out is what the administrator's guide and slurm.conf's example say: a real install into a
# tree of its own. Needs no cluster.
set -uo pipefail
top=$(readlink -f "$(dirname "$0")/../..")
build=${HOLON_BUILD:-$top/build/release}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
good() { # good SENTENCE CMD…
    if "${@:2}" >"$work/said" 2>&1; then
        echo "ok  $1"
    else
        echo "FAILED  $1: $(head -n 5 "$work/said")"
        failed=1
    fi
}

good "it installs into a tree" env "DESTDIR=$work/tree" cmake --install "$build"
plugins=$(sed -n 's/^HOLON_SLURM_PLUGIN_DIR:[^=]*=\(..*\)/\1/p' "$build/CMakeCache.txt")
[[ -n $plugins ]] || plugins=$(dirname "$(cd "$work/tree" && find . -name job_submit_holon.so | sed 's/^\.//')")
for file in "$plugins/job_submit_holon.so" "$plugins/spank_holon.so" /usr/sbin/holond /usr/bin/holon /usr/libexec/holon/holon-run \
    /usr/lib/holon/holon-guest /etc/holon/holon.yaml /usr/lib/systemd/system/holond.service \
    /usr/lib/systemd/system/holond-controller.service; do
    good "$file is there" test -s "$work/tree$file"
done
# The first folder of PluginDir, as slurm.conf's example has it, is on every host; on a controller with the plugin in it.
shadow=$(sed -n 's/^PluginDir=\([^:]*\):.*/\1/p' "$work/tree/usr/share/doc/holon/examples/slurm.conf.holon")
good "slurm.conf's example names a folder for the select plugin" test -n "$shadow"
good "which is the one that the administrator's guide names" grep -qF "PluginDir=$shadow:" "$top/docs/admin-guide.md"
good "which is made, empty or not" test -d "$work/tree$shadow"
if [[ -e $build/select/shadow/select_cons_tres.so ]]; then
    good "the select plugin is in it" test -s "$work/tree$shadow/select_cons_tres.so"
    good "and nowhere in Slurm's own folder" test ! -e "$work/tree$plugins/select_cons_tres.so"
fi
good "the installed programs run from where they are" "$work/tree/usr/sbin/holond" --version
exit "$failed"

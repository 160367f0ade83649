#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The select plugin in a slurmctld alone, of newer Slurm: what select_test says of this machine's release holds for Debian
# 13's (Slurm 24.11) as well, with plugins built for another micro release and with one that throws, too. The release's
# root is made once and Holon is built in it; that takes from minutes to half an hour.
set -uo pipefail
here=$(dirname "$(readlink -f "$0")")
cache=${HOLON_DEVCLUSTER_CACHE:-/var/cache/holon-devcluster}
release=${HOLON_RELEASE:-trixie}
if ! "$here/../../../scripts/devcluster" build --release "$release" select_trial; then
    echo "FAILED  the select plugin, and what breaks it, are built for $release"
    exit 1
fi
echo "with $(chroot "$cache/root-$release" slurmctld -V):"
HOLON_SLURM_ROOT=$cache/root-$release HOLON_BUILD=$cache/$release/build exec "$here/../select_test.sh"

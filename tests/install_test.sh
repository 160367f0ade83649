#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# usage: tests/install_test.sh BUILD
#
# `cmake --install` over an older release: the site's holon.yaml stays as it is. And systemd never gives up a daemon.
set -euo pipefail
install=$1/etc/cmake_install.cmake
DESTDIR=$(mktemp -d)
export DESTDIR
trap 'rm -rf "$DESTDIR"' EXIT

cmake -P "$install" >/dev/null
cmp "$(dirname "$0")/../etc/holon.yaml" "$DESTDIR/etc/holon/holon.yaml"
echo "# the site's own" >"$DESTDIR/etc/holon/holon.yaml"
cmake -P "$install" >/dev/null
[[ $(<"$DESTDIR/etc/holon/holon.yaml") == "# the site's own" ]] ||
    { echo "not ok - an installation replaced the site's holon.yaml"; exit 1; }
find "$DESTDIR" -path '*/examples/holon.yaml' | grep -q . ||
    { echo "not ok - the shipped holon.yaml is not among the examples"; exit 1; }
for unit in holond holond-controller ssid; do
    file=$(find "$DESTDIR" -name "$unit.service")
    sed '/^\[Service\]/,$d' "$file" | grep -qx StartLimitIntervalSec=0 ||
        { echo "not ok - systemd gives $unit up when it has failed five times"; exit 1; }
done
echo "ok - the site's holon.yaml outlives an installation, and the daemons their failures"

# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# The root file system under the hosts, one per Debian release.

root_find() {
    echo /
}

root_stage() {
    stage_default
}

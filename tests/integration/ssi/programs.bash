# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2154
#
# Real programs, compared with their native runs. Sourced after ssi.bash, with the nodes up.

# CPU time that body processes on node 1 have used so far, in hundredths of a second.
used_away() { "$sc" log 1 | awk '/body process .* of CPU time/ {sum += $(NF - 4)} END {print int(sum * 100 + 0.5)}'; }
away_since() { (($(used_away) > $1)); }

# same NAME COMMAND: run by a shell, natively and under the engine with its threads spread. Body processes are reaped a
# moment after the program's end.
same() {
    local native spread before
    native=$(cd "$work" && bash -c "$2" 2>&1 | md5sum)
    before=$(used_away)
    spread=$(cd "$work" && home ssi run --spread bash -c "cd $work && $2" 2>&1 | md5sum)
    equal "$1: the same bytes as natively" "$native" "$spread"
    check "$1: its threads used CPU time of the other node" within 5 away_since "$before"
    echo "# $1: $(($(used_away) - before)) hundredths of a second of CPU time away"
}
# at_home NAME COMMAND
at_home() {
    equal "$1 works as natively" "$(cd "$work" && bash -c "$2" 2>&1)" "$(home ssi run bash -c "cd $work && $2" 2>&1)"
}

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# root's programs, and what they start, have views of the whole machine in /proc and /sys.
# shellcheck source-path=SCRIPTDIR source=ssi.bash
source "$(dirname "$0")/ssi.bash"
# More on each node than this machine has: what is seen cannot be its own.
each=$(($(nproc --all) + 1))
all=$((2 * each))
up --nodes 2 --cpus $each --runtime "$work/bin/ssi-runtime"

# shellcheck disable=SC2016 # for the inner shell
view_server() { ip netns pids "$HOLON_SSI_CLUSTER-n0" | xargs -rn1 sh -c 'grep -qx ssid-view /proc/$0/comm && echo $0' || true; }
seen=$(home ssi run sh -c 'lscpu; numactl -H')
shows "lscpu shows the CPUs of all nodes" "^CPU\\(s\\): +$all\$" "$seen"
shows "lscpu shows the nodes as NUMA nodes" "^NUMA node1 CPU\\(s\\): +$each-$((all - 1))\$" "$seen"
shows "numactl shows how far they are" '^ +0: +10 +100 *$' "$seen"
equal "/proc/cpuinfo has them all" $all "$(home ssi run grep -c ^processor /proc/cpuinfo)"
equal "/proc/stat has them all" $all "$(home ssi run grep -c '^cpu[0-9]' /proc/stat)"
shows "top shows their time" "%Cpu$((all - 1)) +:" "$(home ssi run env COLUMNS=200 TERM=dumb top -1 -bn1)"
equal "the C library counts them" $all "$(home ssi run getconf _NPROCESSORS_ONLN)"
equal "a user's program started there has the views" $all \
    "$(home ssi run setpriv --reuid $nobody --regid $nobody --clear-groups grep -c '^cpu[0-9]' /proc/stat)"
# Who may not mount: its masks show all, files the home's own.
own=$(as_nobody ssi run sh -c 'nproc; grep -c "^cpu[0-9]" /proc/stat; lscpu | sed -n "s/^CPU(s): *//p"')
equal "an unprivileged user's ssi run has the CPUs of all nodes in its mask, and the home's own files" \
    "$all $(nproc --all) $(nproc --all)" "${own//$'\n'/ }"
equal "a program that never leaves home has the home's own" "$(nproc --all)" "$(home ssi run --home grep -c '^cpu[0-9]' /proc/stat)"
equal "so has everybody else" "$(nproc --all)" "$(home grep -c '^cpu[0-9]' /proc/stat)"
shows "memory is the home's" "^MemTotal: +$(awk '/^MemTotal/ {print $2}' /proc/meminfo) kB" "$(home ssi run cat /proc/meminfo)"

# A program with the views, while its daemon goes: it reads when it is told to.
mkfifo "$work/go"
home ssi run sh -c "read -r _ <$work/go; grep -c '^cpu[0-9]' /proc/stat" >"$work/count" &
reader=$!
within 10 eval 'home ssi ps | grep -q " sh "'
server=$(view_server)
"$sc" stop 0
echo >"$work/go"
wait $reader
equal "the views outlive their daemon" $all "$(<"$work/count")"
check "their server ends with the last program that has them" within 10 test ! -e "/proc/$server/exe"
"$sc" start 0
within 20 node_is 1 up
kill -KILL "$(view_server)"
equal "without the server programs see the home's own" "$(nproc --all)" "$(home ssi run grep -c '^cpu[0-9]' /proc/stat)"
equal "and the daemon goes on" up "$(node_state 0)"
finish

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Nodes join, are lost, and come back; a daemon that cannot be one of them is told why in one line.
# shellcheck source-path=SCRIPTDIR source=ssi.bash
source "$(dirname "$0")/ssi.bash"
up --nodes 3 --cpus 2 -- --timeout 2

shows "three nodes are up" '^2 +n2 +10\.77\.0\.3:7717 +2 +up$' "$(home ssi nodes)"
equal "another node has the same table" "$(home ssi nodes)" "$(on_node 2 ssi nodes)"
equal "a program is told the CPUs of all nodes" "2 2 2 " "$(home ssi-test-client nodes)"
check "programs start on the first node only" fails_with 'first node, 10.77.0.1' on_node 1 ssi run true

"$sc" kill 2
check "a node whose daemon was killed is down" within 10 node_is 2 down
equal "its CPUs are no longer offered, their numbers stay" "2 2 2- " "$(home ssi-test-client nodes)"
"$sc" start 2
check "it comes back" within 10 node_is 2 up
equal "under its number" "2 2 2 " "$(home ssi-test-client nodes)"

ip -n "$HOLON_SSI_CLUSTER-n2" link set eth0 down
check "a node whose cable is cut is down" within 20 node_is 2 down
ip -n "$HOLON_SSI_CLUSTER-n2" link set eth0 up
check "and up when it is mended" within 20 node_is 2 up

"$sc" kill 0
"$sc" start 0
check "members come back to a first node that was started anew" within 20 eval 'node_is 1 up && node_is 2 up'
equal "each under the number it had" "1 n1 2 n2" \
    "$(home ssi nodes --json | python3 -c "import json,sys; print(*[x for n in json.load(sys.stdin)[1:] for x in (n['node'], n['name'])])")"

# Daemons that cannot be. They end by themselves.
ssid() { on_node 1 "$build/ssi/daemon/ssid" --plain --partition other --listen 10.77.0.2:7718 "$@"; }
# joins NAME KEY RUNTIME
joins() { ssid --join 10.77.0.1 --name "$1" --key "$2" --runtime "$3"; }
check "without a key there is no daemon" fails_with '--key is needed' ssid
modprobe -q tls
if ! grep -qw tls /proc/sys/net/ipv4/tcp_available_ulp; then
    check "without --plain there is none where the kernel cannot encrypt" fails_with 'does not encrypt.*say --plain' \
        on_node 1 "$build/ssi/daemon/ssid" --listen 10.77.0.2 --key "$state/key"
fi
cp "$state/key" "$work/key"
chmod 644 "$work/key"
check "a key that others can read is refused" fails_with 'chmod 600' joins x "$work/key" "$test_runtime"
head -c 31 "$state/key" >"$work/key"
chmod 600 "$work/key"
check "a key of 31 bytes is refused" fails_with '32 to 4096 bytes, this file 31' joins x "$work/key" "$test_runtime"
head -c 32 /dev/urandom >"$work/key"
joins x "$work/key" "$test_runtime" 2>"$work/log" &
check "a daemon with another key is not let in" within 10 grep -q 'has not the same key' "$work/log"
kill "$(pgrep -nf -- "ssid .*--key $work/key")"
wait
check "a daemon with the name of another node is refused" fails_with 'a node named n2 is already here' \
    joins n2 "$state/key" "$test_runtime"
cp "$test_runtime" "$work/bin/altered"
printf x >>"$work/bin/altered"
check "a daemon with another runtime is refused" fails_with 'another build' joins x "$state/key" "$work/bin/altered"
check "a runtime that is none is refused" fails_with 'not a runtime' joins x "$state/key" /bin/true
check "a second daemon of the partition is refused" fails_with 'serves another daemon' \
    on_node 0 "$build/ssi/daemon/ssid" --plain --listen 10.77.0.1:7719 --key "$state/key" --runtime "$test_runtime"
check "only root runs the daemon" fails_with 'needs root' as_nobody "$build/ssi/daemon/ssid" --listen 127.0.0.1 --key "$state/key"
finish

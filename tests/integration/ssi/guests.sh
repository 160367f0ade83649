#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# usage: tests/integration/ssi/guests.sh
#
# Two machines with kernels of their own, and what is on the wire between them: encrypted, unless --plain is given. Needs
# root and the images tiny and debian (scripts/images/ensure).
#
# HOLON_BUILD   the build directory (build/release)
# shellcheck source=tests/integration/session.bash
. "$(dirname "$0")/../session.bash"

build=${HOLON_BUILD:-$top/build/release}
export HOLON_BUILD=$build HOLON_SSI_NODES=guests HOLON_SSI_CLUSTER=${HOLON_SSI_CLUSTER:-wire}
cluster=$top/scripts/ssi-guests
state=/run/holon-cluster-$HOLON_SSI_CLUSTER
trap '"$cluster" down; rm -rf "$work"' EXIT
home() { timeout $((60 * patience)) "$cluster" run 0 "$@" </dev/null; }

# What a thread writes, on whatever node it is; its words are in the memory of all nodes that use them.
cat >"$work/speak.py" <<'END'
import os, threading
def speak(number):
    for i in range(20):
        os.write(1, b"the words that nobody else may read: %d %d\n" % (number, i))
threads = [threading.Thread(target=speak, args=(n,)) for n in range(4)]
for t in threads: t.start()
for t in threads: t.join()
END
# All packets between the guests until CMD has ended, in FILE: listen FILE CMD…
cat >"$work/listen.py" <<'END'
import signal, socket, sys
packets = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
packets.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)  # SO_RCVBUFFORCE
packets.bind((sys.argv[1], 0))
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
print("listening", flush=True)
with open(sys.argv[2], "wb", buffering=0) as file:
    while True: file.write(packets.recv(65536))
END
listen() {
    local file=$1 listener
    mkfifo "$file.ready"
    ip netns exec "$HOLON_SSI_CLUSTER-switch" python3 "$work/listen.py" p1 "$file" >"$file.ready" &
    listener=$!
    read -r <"$file.ready"
    "${@:2}"
    kill "$listener"
    wait "$listener"
}
speak() { home ssi run --spread python3 -c "$(<"$work/speak.py")" >"$1" 2>&1; }
words=(grep -aqF "the words that nobody else may read")

"$cluster" up --nodes 2 || { fail "two guests come up" && finish; }
shows "both run Debian's kernel" "^6\\.1\\." "$(home uname -r)"
listen "$work/packets" speak "$work/said"
equal "a program's threads on both nodes say all they have to say" 80 "$(grep -c words "$work/said")"
check "one of them was on the other node" grep -q "body process [0-9]* for uid 0" <("$cluster" log 1)
check "what went between the nodes was heard" test "$(stat -c %s "$work/packets")" -gt 100000
check "nothing that the program said or had in memory can be read there" bash -c '! "$@"' - "${words[@]}" "$work/packets"

"$cluster" stop 1
# attempt OPTIONS…: what node 1 says when it tries to join so.
attempt() {
    "$cluster" run 1 timeout 10 "$build/ssi/daemon/ssid" --listen 10.77.0.2 --join 10.77.0.1 --name n1 --cpus 1 \
        --runtime "$build/ssi/runtime/ssi-runtime" "$@" 2>&1 </dev/null
}
head -c 32 /dev/urandom | "$cluster" run 1 bash -c 'umask 077 && cat >/run/other'
shows "a node with another key does not join" "10.77.0.1:7717: the other end has not got this partition's key" \
    "$(attempt --key /run/other)"
shows "a node with --plain does not join one without" "10.77.0.1:7717: the (other end closed the connection|connection broke)" \
    "$(attempt --key /run/key --plain)"
shows "which says why" "does not speak TLS.* --plain on one side" "$("$cluster" log 0)"
equal "neither was taken for a node" 1 "$("$cluster" log 0 | grep -c "has joined")"

echo --plain >>"$state/options"
"$cluster" stop 0
check "with --plain on both, the first starts" "$cluster" start 0
check "and the other" "$cluster" start 1
listen "$work/plain" speak "$work/said"
equal "the program says the same" 80 "$(grep -c words "$work/said")"
check "now the words can be read on the wire" "${words[@]}" "$work/plain"
finish

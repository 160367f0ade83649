#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What bob tries against alice's running job on the same node, and against holond itself.
# shellcheck source=tests/integration/session.bash
source "$(dirname "$0")/../session.bash"

out=/shared/isolation.$$
alice install -d -m 0700 "$out"
trap 'on ctl rm -rf "$out"; rm -rf "$work"' EXIT
bob_on_n1() { timeout 60 "$dc" exec-as bob n1 "$@"; }
refused() { ! bob_on_n1 "$@" >/dev/null 2>&1; }

# Alice's VM hands a secret to whoever asks at port 7777; it has the address that bob's VM will have, and the next one.
alice tee secret.sh >/dev/null <<'JOB'
#!/bin/sh
echo up
while :; do echo alices-secret | nc -l -p 7777 || sleep 0.1; done
JOB
job=$(submit --vm-cluster -N1 -n1 --mem=400 -w n1 -o "$out/secret.out" secret.sh)
says() { grep -q "$1" <<<"$(alice cat "$out/secret.out" 2>/dev/null)"; }
check "alice's job runs" within 60 says '^up$'
run=/var/lib/holon/jobs/$job.0
pid=$(on n1 cat "/run/libvirt/qemu/holon-$job.0-vm0.pid")

# --- The command
lacks "holon status shows bob nothing of it" vm0 "$(bob holon status 2>&1)"
shows "holon console answers bob as if there were no such job" "job $job" "$(bob holon console --job "$job" vm0 2>&1)"
lacks "and shows nothing of the console" 'Linux|holon-guest' "$(bob holon console --job "$job" vm0 2>&1)"

# --- Requests by hand
bob tee /tmp/ask.py >/dev/null <<'PYTHON'
import json, socket, struct, sys
def ask(request, raw=None):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(20)
    s.connect("/run/holon/holond.sock")
    text = raw if raw is not None else json.dumps(request).encode()
    s.sendall(struct.pack(">I", len(text)) + text)
    def take(n):
        got = b""
        while len(got) < n:
            part = s.recv(n - len(got))
            if not part:
                raise EOFError
            got += part
        return got
    return s, json.loads(take(struct.unpack(">I", take(4))[0]))
table = []
for i in range(256):
    for bit in range(8):
        i = i >> 1 ^ (0x82F63B78 if i & 1 else 0)
    table.append(i)
def crc(data):
    c = 0xFFFFFFFF
    for byte in data:
        c = c >> 8 ^ table[(c ^ byte) & 255]
    return c ^ 0xFFFFFFFF
def opening(session, text):  # frames of an open request
    for at in range(0, len(text), 65536):
        part = text[at:at + 65536]
        last = at + 65536 >= len(text)
        head = struct.pack("<HBBIQQI", 0x4C48, 6, 0, len(part) | last << 24, session, at, crc(part))
        yield head + struct.pack("<I", crc(head)) + part
PYTHON
on n1 install -o bob -m 0644 /dev/null /tmp/ask.py
bob cat /tmp/ask.py | on n1 tee /tmp/ask.py >/dev/null
asked() { bob_on_n1 python3 -c "import socket, sys; sys.path.insert(0, '/tmp'); from ask import ask
$1"; }
requests=$(asked "
import json
for op in ['session', 'wait', 'console', 'prolog', 'epilog', 'container', 'peer', 'jobs', 'status']:
    print(op, json.dumps(ask({'op': op, 'job': $job, 'restart': 0, 'vm': 'vm0', 'pid': 1, 'session': 'aa', 'node': 'n1', 'vms': [], 'uid': 0, 'gid': 0, 'user': 'root', 'nodes': 'n1', 'cpus_per_node': '1', 'spec': {}})[1]))" 2>&1)
for op in session wait console; do
    shows "$op of alice's job by hand is refused" "^$op .*\"error\": \"job $job: no VM job of yours on n1\"" "$requests"
done
for op in prolog epilog container jobs; do
    shows "$op by hand is for root" "^$op .*\"error\": \".*root on this node" "$requests"
done
shows "a peer's report by hand is refused" '^peer .*"error"' "$requests"
shows "status by hand lists nothing" '^status .*"vms": \[\]' "$requests"

# --- Files and sockets
for path in "$run/run.json" "$run/vm0.console" "$run/sock" "$run/disks"; do
    check "bob cannot read ${path##*/}" refused test -r "$path"
done
check "nor alice her job's secrets in run.json" bash -c "! '$dc' exec-as alice n1 cat $run/run.json"
for socket in "$run/sock/vm0.channel" "$run/sock/vm0.console"; do
    check "bob cannot connect to ${socket##*/}" refused python3 -c \
        "import socket; socket.socket(socket.AF_UNIX).connect('$socket')"
done
check "bob cannot connect to libvirtd" refused virsh -c qemu:///system list

# --- The process
equal "alice's QEMU runs as alice" "$(on n1 id -u alice)" "$(on n1 stat -c %u "/proc/$pid")"
check "bob cannot signal it" refused kill -0 "$pid"
check "bob cannot read its memory" refused head -c1 "/proc/$pid/mem"
check "nor its environment" refused cat "/proc/$pid/environ"
check "bob cannot trace it" refused python3 -c \
    "import ctypes; c = ctypes.CDLL(None, use_errno=True); exit(0 if c.ptrace(16, $pid, 0, 0) == 0 else 1)"

# --- The network
output=$(bob srun --vm-cluster -N1 -n1 --mem=400 -w n1 sh -c 'hostname -i 2>/dev/null; ip -o -4 addr show | grep -o "10\.77[0-9.]*" | head -1
for a in 10.77.0.1 10.77.0.2 10.77.0.3; do nc -w 2 $a 7777 </dev/null; done; echo done' 2>&1)
shows "bob's VM beside alice's has the same address" '^10\.77\.0\.1$' "$output"
shows "and looks around" '^done$' "$output"
lacks "but does not reach alice's" alices-secret "$output"
shows "which does answer in alice's job" alices-secret \
    "$(alice srun --jobid="$job" --overlap nc -w 5 10.77.0.1 7777 </dev/null 2>&1)"
check "bob's process on the node cannot send to VXLAN's port" refused python3 -c \
    "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.sendto(b'x' * 60, ('10.99.0.12', 4789))"

# --- Clients that misbehave
answers() { asked "print(ask({'op': 'ping'})[1]['ok'])" | grep -qx True; }
holond=$(on n1 cat /run/devcluster/holond.pid)
bob tee "/tmp/mine.sh" >/dev/null <<'JOB'
#!/bin/sh
echo up; sleep 1000
JOB
mine=$(bob sbatch --parsable --vm-cluster -N1 -n1 --mem=400 -w n1 -o /tmp/mine.out /tmp/mine.sh)
granted() { [[ $(asked "print(ask({'op': 'session', 'job': $mine, 'session': 'bb', 'step': '0'})[1].get('ok'))" 2>/dev/null) == True ]]; }
check "bob has a job of his own on the node" within 60 granted
check "garbage after a session's grant" asked "
import os
for payload in [os.urandom(200000), b'\0' * 200000, b'\xff' * 200000]:
    s, reply = ask({'op': 'session', 'job': $mine, 'session': 'cc', 'step': '0'})
    assert reply.get('ok'), reply
    try:
        s.sendall(payload)
        while s.recv(65536): pass
    except OSError:
        pass"
check "holond still answers" answers
check "a megabyte of brackets, a length that lies, and half a message" asked "
import struct
for raw in [b'{\"op\":' + b'[' * 500000 + b']' * 500000 + b'}', b'{\"op\":\"console\",\"job\":' + b'{\"a\":' * 100000 + b'1' + b'}' * 100001]:
    try: ask(None, raw)
    except (EOFError, OSError): pass
for bytes in [b'\xff\xff\xff\xff', struct.pack('>I', 100) + b'{']:
    s = socket.socket(socket.AF_UNIX); s.connect('/run/holon/holond.sock'); s.sendall(bytes); s.close()"
check "holond still answers" answers
check "half a megabyte of brackets as a session's request" asked "
from ask import opening
s, reply = ask({'op': 'session', 'job': $mine, 'session': 'dd', 'step': '0'})
assert reply.get('ok'), reply
try:
    for frame in opening(0xdd, b'{\"a\":' + b'[' * 300000 + b']' * 300000 + b'}'): s.sendall(frame)
    answer = s.recv(65536)
except OSError:
    answer = b''
assert b'JSON' in answer, answer"
check "holond still answers" answers
check "holond answers among 200 connections that say nothing, on each of its sockets" asked "
held = []
for i in range(200):
    s = socket.socket(); s.connect(('10.99.0.11', 6829)); s.sendall(b'\0'); held.append(s)
    s = socket.socket(socket.AF_UNIX); s.connect('/run/holon/holond.sock'); held.append(s)
assert ask({'op': 'ping'})[1]['ok']"
check "and after them" answers
equal "it is the same holond" "$holond" "$(on n1 cat /run/devcluster/holond.pid)"
check "which lives" on n1 kill -0 "$holond"
bob scancel "$mine"
check "alice's job has noticed nothing" job_is "$job" RUNNING
alice scancel "$job"
check "bob's job ends" wait_for_job "$mine"
check "alice's job ends" wait_for_job "$job"

nothing_is_left "bob's attempts"
finish

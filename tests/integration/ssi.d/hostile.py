#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What a user, or a stranger on the network, may send to ssid: anything. hostile.py local | network ADDRESS"""
import array
import os
import random
import socket
import struct
import sys

random.seed(20261123)


def connect_local(name):
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    sock.connect("\0" + name)
    return sock


def send(sock, data, descriptors=()):
    ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors))] if descriptors else []
    try:
        sock.sendmsg([data], ancillary, socket.MSG_DONTWAIT)
    except (BrokenPipeError, ConnectionResetError, BlockingIOError):
        return False
    return True


def control_message(kind, node=0, value=0, text=b""):
    return struct.pack("<IIQ128s128s", kind, node, value, b"", text)


def local():
    null = os.open("/dev/null", os.O_RDONLY)
    for _ in range(200):
        sock = connect_local("holon-ssi/default")
        send(sock, random.randbytes(random.choice([0, 1, 8, 271, 272, 273, 4000])), [null] * random.randrange(4))
        sock.close()
    # Every type of request, out of order, with impossible nodes; the texts are not terminated.
    sock = connect_local("holon-ssi/default")
    for _ in range(500):
        message = control_message(random.randrange(40), random.choice([0, 1, 2, 31, 32, 2**32 - 1]),
                                  random.getrandbits(64), random.randbytes(128))
        if not send(sock, message, [null] * random.randrange(2)):
            sock = connect_local("holon-ssi/default")
    for _ in range(200):
        sock = connect_local("holon-ssi/default/ssi")
        kind = random.choice([0, 1, 1, 1, 2, 3, 77])
        send(sock, struct.pack("<II", kind, random.getrandbits(32))[: random.choice([8, 8, 7])],
             [null] * random.randrange(3))
        sock.close()
    # Clients that say nothing, while others are served.
    silent = [connect_local("holon-ssi/default/ssi") for _ in range(200)]
    silent += [connect_local("holon-ssi/default") for _ in range(500)]
    os.system("ssi nodes")
    del silent
    try:
        connect_local("holon-ssi/default/keeper").recv(100)
    except OSError:
        pass


def network(address):
    for _ in range(300):
        sock = socket.create_connection((address, 7717), timeout=10)
        hello = b"holnssid" + struct.pack("<II", random.choice([1, 1, 1, 2]), random.choice([1, 2, 2, 9]))
        parts = [hello + random.randbytes(32), random.randbytes(random.choice([0, 5, 32, 4000]))]
        try:
            for part in parts[random.randrange(2):]:
                sock.sendall(part)
        except OSError:
            pass
        sock.close()
    # As many as may be strangers at once, and more, stay and say nothing.
    silent = [socket.create_connection((address, 7717), timeout=10) for _ in range(300)]
    del silent


if sys.argv[1] == "local":
    local()
else:
    network(sys.argv[2])

# SPDX-License-Identifier: GPL-2.0-or-later
"""The least host end of the channel (docs/channel-protocol.md) that can boot a guest and run one program in it."""

import json
import os
import select
import struct
import time

MAGIC = 0x4C48
HEADER = 32
SYNC, SYNC_ACK, CONFIGURE, READY, FAILED, OPEN = 1, 2, 3, 4, 5, 6
DATA, EXIT, ERROR = 8, 13, 18
LAST = 1


def _crc_table():
    table = []
    for number in range(256):
        for _ in range(8):
            number = number >> 1 ^ (0x82F63B78 if number & 1 else 0)
        table.append(number)
    return table


_TABLE = _crc_table()


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


def encode(kind, payload=b"", session=0, flags=0, offset=0):
    head = struct.pack("<HBB", MAGIC, kind, 0) + len(payload).to_bytes(3, "little")
    head += struct.pack("<BQQI", flags, session, offset, crc32c(payload))
    return head + struct.pack("<I", crc32c(head)) + payload


class Guest:
    """One VM's agent, over QEMU's end of its virtio-serial port."""

    # holond asks twice a second; asking more often tells more precisely when a guest is there.
    ask_again = 0.05

    def __init__(self, connection):
        self.connection = connection
        connection.setblocking(False)
        self.received = b""
        self.nonce = os.urandom(16)

    def _send(self, data):
        while data:
            select.select([], [self.connection], [])
            data = data[self.connection.send(data):]

    def _read(self, deadline):
        left = max(0, deadline - time.monotonic())
        if not select.select([self.connection], [], [], left)[0]:
            return False
        data = self.connection.recv(65536)
        if not data:
            raise ConnectionError("QEMU closed the channel")
        self.received += data
        return True

    def _frame(self, deadline):
        """The next frame as (type, payload), or None at the deadline."""
        while True:
            if len(self.received) >= HEADER:
                length = int.from_bytes(self.received[4:7], "little")
                if len(self.received) >= HEADER + length:
                    kind = self.received[2]
                    payload = self.received[HEADER:HEADER + length]
                    self.received = self.received[HEADER + length:]
                    return kind, payload
            if not self._read(deadline):
                return None

    def _expect(self, wanted, deadline):
        while True:
            frame = self._frame(deadline)
            if frame is None:
                raise TimeoutError("no answer from the guest in time")
            if frame[0] in (FAILED, ERROR):
                raise RuntimeError(frame[1].decode(errors="replace"))
            if frame[0] == wanted:
                return frame[1]

    def synchronise(self, limit):
        deadline = time.monotonic() + limit
        sync = encode(SYNC, self.nonce)
        self._send(bytes(65568) + sync)
        answer = struct.pack("<HB", MAGIC, SYNC_ACK)
        while time.monotonic() < deadline:
            # Nothing is trusted until the answer that carries the nonce.
            at = self.received.find(self.nonce)
            if at >= HEADER and self.received[at - HEADER:].startswith(answer):
                self.received = self.received[at - HEADER:]
                self._expect(SYNC_ACK, deadline)
                return
            if not self._read(min(deadline, time.monotonic() + self.ask_again)):
                self._send(sync)
        raise TimeoutError("no answer from the guest in time")

    def configure(self, config, limit):
        deadline = time.monotonic() + limit
        self._send(encode(CONFIGURE, json.dumps(config).encode(), flags=LAST))
        self._expect(READY, deadline)

    def run(self, argv, user, limit):
        """Runs ARGV; returns what its first frame of output held."""
        deadline = time.monotonic() + limit
        request = {"argv": argv, "env": ["PATH=/usr/bin:/bin"], "cwd": "/", "umask": 18, "rlimits": {}, "pty": None,
                   "script": None, "stdin": False, "uid": user["uid"], "gid": user["gid"],
                   "groups": [user["gid"]]}
        self._send(encode(OPEN, json.dumps(request).encode(), session=1, flags=LAST))
        return self._expect(DATA, deadline)

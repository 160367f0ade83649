# SPDX-License-Identifier: GPL-2.0-or-later
"""python3 growth.py FILE BYTES COMMAND…: runs COMMAND, which makes FILE grow by BYTES, and prints as JSON how many of them
came in how many seconds, counted from the first that were seen to the last."""

import json
import os
import subprocess
import sys
import time

LIMIT = 300  # seconds


def size(path):
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return 0


def main():
    path, wanted, command = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
    before = size(path)
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    deadline = time.perf_counter() + LIMIT
    first = None
    while True:
        # A short pause per look: the CPUs belong to what is measured.
        time.sleep(0.005)
        now, grown = time.perf_counter(), size(path) - before
        if grown > 0 and first is None:
            first = (now, grown)
        if grown >= wanted:
            break
        if now > deadline:
            raise SystemExit(f"growth: {path}: {grown} of {wanted} bytes after {LIMIT} s")
    process.wait()
    print(json.dumps({"bytes": grown - first[1], "seconds": now - first[0]}))


main()

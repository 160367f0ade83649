# SPDX-License-Identifier: GPL-2.0-or-later
"""Nodes of a virtual SMP for the benches: namespaces of this machine, each on a core of its own (scripts/ssi-cluster)."""

import os
import re
import resource
import subprocess
import time

TOP = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
BUILD = os.path.abspath(os.environ.setdefault("HOLON_BUILD", os.path.join(TOP, "build/release")))
TICKS = os.sysconf("SC_CLK_TCK")


class Nodes:
    def __init__(self, name, count=2):
        self.environment = {**os.environ, "HOLON_SSI_CLUSTER": name, "HOLON_BUILD": BUILD}
        self.call("down")
        self.call("up", "--nodes", str(count))
        self.daemons = [int(self.call("pid", str(node))) for node in range(count)]

    def call(self, *words):
        return subprocess.run([f"{TOP}/scripts/ssi-cluster", *words], env=self.environment, check=True,
                              stdout=subprocess.PIPE, text=True).stdout

    def run(self, node, *words, **how):
        """What it prints."""
        return subprocess.run([f"{TOP}/scripts/ssi-cluster", "run", str(node), *words], env=self.environment, check=True,
                              stdout=subprocess.PIPE, text=True, **how).stdout

    def start(self, node, *words):
        return subprocess.Popen([f"{TOP}/scripts/ssi-cluster", "run", str(node), *words], env=self.environment,
                                stdout=subprocess.PIPE, text=True)

    def timed(self, words, **how):
        """On node 0, to its end: seconds, CPU seconds there, CPU seconds on the other nodes."""
        before, away = resource.getrusage(resource.RUSAGE_CHILDREN), self.away()
        begin = time.monotonic()
        self.run(0, *words, **how)
        seconds = time.monotonic() - begin
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return seconds, used, self.settled_away() - away

    def away(self):
        """CPU seconds of the body processes that have ended: their daemons have waited for them."""
        total = 0
        for pid in self.daemons[1:]:
            with open(f"/proc/{pid}/stat") as stat:
                fields = stat.read().rsplit(")", 1)[1].split()
            total += int(fields[13]) + int(fields[14])
        return total / TICKS

    def settled_away(self):
        """The same once the last body process has been waited for."""
        deadline = time.monotonic() + 2
        while time.monotonic() < deadline and self.body_processes():
            time.sleep(0.01)
        return self.away()

    def body_processes(self):
        found = []
        for pid in self.daemons[1:]:
            with open(f"/proc/{pid}/task/{pid}/children") as children:
                found += children.read().split()
            for task in os.listdir(f"/proc/{pid}/task"):
                try:
                    with open(f"/proc/{pid}/task/{task}/children") as children:
                        found += children.read().split()
                except FileNotFoundError:
                    pass
        return found

    def close(self):
        self.call("down")


def values(text):
    """Lines "NAME NUMBER UNIT…" as a dictionary."""
    found = {}
    for name, number in re.findall(r"^(\S+) ([0-9.]+)", text, re.MULTILINE):
        found[name] = float(number)
    return found

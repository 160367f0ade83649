# SPDX-License-Identifier: GPL-2.0-or-later
"""A dev cluster of the bench's own, and ways to run commands on it and to time them.

The cluster is called `bench` and lives beside any other; it runs what build/stage (or $HOLON_STAGE) holds."""

import atexit
import json
import os
import subprocess
import sys
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
DEVCLUSTER = os.path.join(TOP, "scripts", "devcluster")

# Runs within a host for as long as the bench lasts, so that getting into the host's namespaces (some 30 ms of
# process starts) is in nobody's figure. One JSON line per command, one per result.
RUNNER = r"""
import json, subprocess, sys, time
for line in sys.stdin:
    argv = json.loads(line)
    start = time.perf_counter()
    ended = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True)
    seconds = time.perf_counter() - start
    print(json.dumps({"seconds": seconds, "status": ended.returncode,
                      "out": ended.stdout.decode(errors="replace"),
                      "err": ended.stderr.decode(errors="replace")}), flush=True)
"""


class Runner:
    """Runs commands as USER on HOST and times each there, without the way in."""

    def __init__(self, cluster, host, user=None):
        self.process = subprocess.Popen(
            cluster.argv(host, ["python3", "-c", RUNNER], user),
            env=cluster.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def run(self, *argv):
        self.process.stdin.write(json.dumps(argv) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"bench: the host ended while it ran {argv}")
        result = json.loads(line)
        if result["status"] != 0:
            raise SystemExit(f"bench: {' '.join(argv)}: status {result['status']}: {result['err'].strip()}")
        return result


class Cluster:
    def __init__(self, nodes=1, cpus=None, mem=None):
        if os.geteuid() != 0:
            raise SystemExit("bench: must be run as root (it starts a dev cluster)")
        self.environment = dict(os.environ, HOLON_DEVCLUSTER="bench")
        options = ["--nodes", str(nodes)]
        if cpus:
            options += ["--cpus", str(cpus)]
        if mem:
            options += ["--mem", str(mem)]
        atexit.register(self.down)
        subprocess.run([DEVCLUSTER, "up", *options], env=self.environment, check=True, stdout=sys.stderr)

    def down(self):
        subprocess.run([DEVCLUSTER, "down"], env=self.environment, stdout=subprocess.DEVNULL, check=False)

    def argv(self, host, command, user=None):
        if user:
            return [DEVCLUSTER, "exec-as", user, host, *command]
        return [DEVCLUSTER, "run", host, *command]

    def start(self, host, command, user=None, **more):
        return subprocess.Popen(self.argv(host, command, user), env=self.environment, **more)

    def output(self, host, command, user=None, **more):
        ended = subprocess.run(self.argv(host, command, user), env=self.environment, text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, **more)
        if ended.returncode != 0:
            raise SystemExit(f"bench: {' '.join(command)}: status {ended.returncode}: {ended.stderr.strip()}")
        return ended.stdout

    def vms(self, node):
        """What holond of NODE says about its VMs."""
        return json.loads(self.output(node, ["holon", "status", "--json"]))["vms"]

    def record(self, node, job):
        """holond's own record of the run of JOB on NODE (root's alone)."""
        return json.loads(self.output(node, ["sh", "-c", f"cat /var/lib/holon/jobs/{job}.*/run.json"]))

    def wait_until_idle(self, node, limit=60):
        """Nothing of an earlier job may run into a measurement."""
        deadline = time.monotonic() + limit
        while self.output("ctl", ["squeue", "-h"]).strip() or self.vms(node):
            if time.monotonic() > deadline:
                raise SystemExit(f"bench: {node} does not become idle")
            time.sleep(0.1)


class Job:
    """A job of alice's with running VMs, until close()."""

    def __init__(self, cluster, *options):
        self.cluster = cluster
        self.process = cluster.start(
            "ctl", ["salloc", "--quiet", *options, "bash", "-c", "srun --overlap -n1 true && echo $SLURM_JOB_ID; read end"],
            "alice", stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        line = self.process.stdout.readline().strip()
        if not line.isdigit():
            raise SystemExit("bench: no VM: " + self.process.stderr.read().strip())
        self.id = line

    def close(self):
        self.process.communicate("\n")

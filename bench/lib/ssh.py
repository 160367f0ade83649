# SPDX-License-Identifier: GPL-2.0-or-later
"""ssh from a node into one of its VMs, as the job's user.

A node is not on the network of its jobs: what VMs send to it is dropped. For the bench, root adds a port to the job's
bridge, a veth pair with an address at its other end. That is the shortest way there is into the guest (no VXLAN, no
second guest), so the baseline is ssh at its best."""

import subprocess
import time

ADDRESS = "10.77.255.254/16"


class Ssh:
    def __init__(self, cluster, node, job, vm="vm0"):
        self.cluster, self.node = cluster, node
        self.folder = cluster.output(node, ["mktemp", "-d", "/tmp/bench-ssh.XXXXXX"]).strip()
        self.key = f"{self.folder}/key"
        address = next(entry["address"] for entry in cluster.vms(node) if entry["vm"] == vm)
        read = ["srun", f"--jobid={job.id}", "--overlap", "-n1", "cat", ".ssh/id_ed25519"]
        private = cluster.output("ctl", ["env", "-C", "/home/alice", *read], "alice")
        cluster.output(node, ["sh", "-c", f"umask 077; cat > {self.key}"], input=private)
        bridge = cluster.output(node, ["sh", "-c", "cd /sys/class/net; ls -d */bridge | cut -d/ -f1"]).split()
        assert len(bridge) == 1, bridge
        cluster.output(node, ["sh", "-ec", f"""
            ip link add bench0 type veth peer name bench1
            ip link set bench1 mtu 1450 master {bridge[0]} up
            ip link set bench0 mtu 1450 up
            ip address add {ADDRESS} dev bench0"""])
        self.options = ["-F", "/dev/null", "-i", self.key, "-o", f"ControlPath={self.folder}/socket",
                        "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR",
                        f"alice@{address}"]
        self.master = cluster.start(node, ["ssh", "-M", "-N", *self.options])
        deadline = time.monotonic() + 30
        while True:
            ended = subprocess.run(cluster.argv(node, ["ssh", "-O", "check", *self.options]), env=cluster.environment,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
            if ended.returncode == 0:
                return
            if time.monotonic() > deadline or self.master.poll() is not None:
                raise SystemExit("bench: ssh does not reach the VM")
            time.sleep(0.1)

    def command(self, *words):
        return ["ssh", *self.options, *words]

    def close(self):
        self.cluster.output(self.node, self.command()[:1] + ["-O", "exit", *self.options])
        self.master.wait()
        self.cluster.output(self.node, ["ip", "link", "delete", "bench0"])
        self.cluster.output(self.node, ["rm", "-rf", self.folder])

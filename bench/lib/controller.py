# SPDX-License-Identifier: GPL-2.0-or-later
"""A slurmctld alone: its nodes are powered-down cloud nodes that are never started, so thousands of them cost nothing,
and jobs start and end as fast as the scheduler decides. Nothing else is needed: no munged, no slurmd, no root file
system of a node. With HOLON_SLURM_ROOT set to another root file system (such as the devcluster's for another Debian
release), its programs are run there."""

import atexit
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

# No slurmctld outlives its bench.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))

ROOT = os.environ.get("HOLON_SLURM_ROOT", "").rstrip("/")


def inside(command):
    """From 23.11 on, Slurm's daemons look at /proc/self, so it is mounted there, for them alone."""
    if not ROOT:
        return command
    return ["unshare", "--mount", "sh", "-c", 'mount -t proc proc "$0/proc" && exec chroot "$0" "$@"', ROOT, *command]


def stock_plugins():
    for architecture in sorted(os.listdir(ROOT + "/usr/lib")):
        if os.path.exists(f"{ROOT}/usr/lib/{architecture}/slurm-wlm/select_cons_tres.so"):
            return f"/usr/lib/{architecture}/slurm-wlm"
    raise SystemExit("bench: Slurm's plugins are not installed")


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def spec(image="tiny", **more):
    """A job's spec as job_submit/holon writes it."""
    return json.dumps(dict({"v": 1, "mode": "cluster", "vm_count": 0, "image": image, "vm_cpus": 0, "vm_memory_mb": 0,
                            "network": "private", "boot_timeout_s": 0, "script_on_host": False, "submit_dir": "",
                            "seed": "", "node_memory_mb": 0, "cpu_memory_mb": 0}, **more), separators=(",", ":"))


class Controller:
    """SHADOW: the folder of the select plugin under trial; None: stock Slurm. DRIVER: the program select_driver.
    UNDER: a command that slurmctld is run by. FACTS: see tell(). SITE: more lines of holon.yaml."""

    def __init__(self, nodes, shadow=None, driver=None, configuration=(), under=(), facts=None, site="",
                 parts=("PartitionName=all Nodes=ALL Default=YES State=UP",)):
        self.folder = tempfile.mkdtemp(prefix="holon-slurmctld-", dir=ROOT + "/tmp")
        self.seen = self.folder[len(ROOT):]
        os.chmod(self.folder, 0o755)
        self.process = self.driver = None
        self.under = list(under)
        self.log_path = self.folder + "/slurmctld.log"
        atexit.register(self.close)
        os.mkdir(self.folder + "/state")
        if shadow:
            shutil.copytree(shadow, self.folder + "/plugins")
        plugins = ":".join([self.seen + "/plugins"] * bool(shadow) + [stock_plugins()])
        # With its address: a small root file system has no /etc/hosts.
        lines = {
            "ClusterName": "trial", "SlurmctldHost": "localhost(127.0.0.1)", "SlurmctldPort": free_port(), "SlurmdPort": free_port(),
            "AuthType": "auth/none", "CredType": "cred/none", "SlurmUser": "root", "SlurmdUser": "root",
            "StateSaveLocation": self.seen + "/state", "SlurmctldPidFile": self.seen + "/slurmctld.pid",
            "SlurmctldLogFile": self.seen + "/slurmctld.log", "SlurmctldDebug": "info",
            "PluginDir": plugins, "PlugStackConfig": self.seen + "/plugstack.conf", "MpiDefault": "none",
            "ProctrackType": "proctrack/linuxproc", "TaskPlugin": "task/none", "SwitchType": "switch/none",
            "JobAcctGatherType": "jobacct_gather/none", "AccountingStorageType": "accounting_storage/none",
            "SelectType": "select/cons_tres", "SelectTypeParameters": "CR_Core_Memory", "ReturnToService": 2,
            "SuspendProgram": "/bin/true", "ResumeProgram": "/bin/true", "SuspendTime": 100000, "ResumeTimeout": 65000, "ResumeRate": 0,
            "SuspendTimeout": 10, "MailProg": "/bin/true", "MinJobAge": 300, "MaxJobCount": 100000,
            "PrivateData": "cloud",
        }
        lines.update(dict(line.split("=", 1) for line in configuration if not line.startswith(("NodeName", "Partition"))))
        if lines["SwitchType"] == "switch/none" and not os.path.exists(ROOT + stock_plugins() + "/switch_none.so"):
            del lines["SwitchType"]
        self.configuration = "".join(f"{key}={value}\n" for key, value in lines.items() if value != "")
        self.write("slurm.conf", self.configuration + "".join(line + "\n" for line in [*nodes, *parts]))
        self.write("plugstack.conf", "")
        self.environment = dict(os.environ, SLURM_CONF=self.seen + "/slurm.conf", LC_ALL="C.UTF-8",
                                HOLON_CONFIG=self.seen + "/holon.yaml")
        self.write("holon.yaml", f"controller:\n  state_dir: {self.seen}/site\n  heartbeat: 3600\n{site}")
        os.mkdir(self.folder + "/site")
        if facts is not None:
            self.tell(facts)
        if driver:
            shutil.copy(driver, self.folder + "/driver")
        self.start()

    def write(self, name, text):
        with open(f"{self.folder}/{name}", "w", encoding="utf-8") as file:
            file.write(text)

    def tell(self, facts):
        """What `holond --controller` would have heard of the nodes: name → what differs from a healthy node with the
        image tiny in its cache."""
        nodes = [dict({"name": name, "healthy": True, "reason": "", "kvm": False, "huge_mb": 0, "cached": ["tiny"],
                       "present": []}, **facts[name]) for name in facts]
        self.write("site/.new", json.dumps({"v": 1, "time": int(time.time()), "settled": True, "nodes": nodes,
                                            "checkpoints": [],
                                            "slurm": {"user_signal": False, "append_by_default": False, "partitions": []}}))
        os.rename(self.folder + "/site/.new", self.folder + "/site/snapshot.json")

    def start(self, limit=60):
        with open(self.folder + "/stderr", "a", encoding="utf-8") as stderr:
            self.process = subprocess.Popen(
                inside([*self.under, "slurmctld", "-D", "-f", self.seen + "/slurm.conf"]), env=self.environment,
                stdin=subprocess.DEVNULL, stdout=stderr, stderr=stderr)
        deadline = time.monotonic() + limit
        while subprocess.run(inside(["scontrol", "ping"]), env=self.environment, capture_output=True,
                             check=False).returncode != 0:
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"slurmctld does not come up: {self.log()[-2000:]}{self.read('stderr')[-2000:]}")
            time.sleep(0.05)
        # Slurm prefers nodes that have power, and gives it in the background: all are told at once, and stay on their way.
        self.run("scontrol", "update", "NodeName=ALL", "State=POWER_UP")
        while "~" in self.run("sinfo", "-h", "-o", "%t"):
            if time.monotonic() > deadline:
                raise SystemExit("the nodes stay powered down")
            time.sleep(0.1)
        if os.path.exists(self.folder + "/driver"):
            self.driver = subprocess.Popen(inside([self.seen + "/driver"]), env=self.environment, text=True,
                                           stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def stop(self):
        if self.driver:
            self.driver.communicate()
            self.driver = None
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        return self.process.returncode if self.process else None

    def close(self):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def alive(self):
        return self.process.poll() is None

    def read(self, name):
        try:
            with open(f"{self.folder}/{name}", encoding="utf-8", errors="replace") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def log(self):
        return self.read("slurmctld.log")

    def ask(self, line):
        self.driver.stdin.write(line + "\n")
        self.driver.stdin.flush()
        answer = self.driver.stdout.readline().strip()
        if not answer:
            raise SystemExit(f"the driver ended at: {line}\n{self.log()[-2000:]}")
        return answer

    def show(self, job):
        """The state of JOB, and its cores on each node: "RUNNING n[1-2]:0-1 n3:0"."""
        state = self.ask(f"show {job}")  # first: what runs has its cores
        cores = re.findall(r"Nodes=(\S+) CPU_IDs=(\S+)", self.run("scontrol", "show", "job", "-d", str(job)))
        return " ".join([state, *(f"{nodes}:{which}" for nodes, which in cores)])

    def end(self, job, limit=30):
        """Cancels JOB and waits until its nodes are free again."""
        self.ask(f"cancel {job}")
        deadline = time.monotonic() + limit
        while "COMPLETING" in self.ask(f"show {job}"):
            if time.monotonic() > deadline:
                raise SystemExit(f"job {job} does not end")
            time.sleep(0.002)

    def run(self, *command):
        ended = subprocess.run(inside(list(command)), env=self.environment, capture_output=True, text=True, check=False)
        if ended.returncode != 0:
            raise SystemExit(f"{' '.join(command)}: {ended.stderr.strip()}")
        return ended.stdout

    def resident_kb(self):
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as status:
            for line in status:
                if line.startswith("VmRSS:"):
                    return int(line.split()[1])
        return 0

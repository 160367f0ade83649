# SPDX-License-Identifier: GPL-2.0-or-later
"""Test programs natively, then with their threads on two nodes; what came of them, and where their threads were."""
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

SKIPPED = 77  # what glibc's tests end with where the machine has not what they test


class Outcome:
    """How one run of a program ended."""

    def __init__(self, status, text, seconds):
        self.status, self.text, self.seconds = status, text, seconds

    def last_line(self):
        return (self.text.strip().splitlines() or [""])[-1][:120]

    def describe(self):
        if self.status is None:
            return f"not done after {self.seconds:.0f} s"
        if self.status < 0:
            return f"killed by {signal.Signals(-self.status).name}"
        return f"exit status {self.status}"


def end_session(leader):
    """Ends what is left of a session: a test's children have process groups of their own."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(")", 1)[1].split()
            if int(fields[3]) == leader:
                os.kill(int(stat.parent.name), signal.SIGKILL)
        except (OSError, IndexError):
            continue


def outcome(command, environment, limit):
    """Runs COMMAND in a folder and a session of its own; what it leaves running is ended."""
    folder = tempfile.mkdtemp(prefix="holon-suite-")
    (Path(folder) / "Makefile").write_text("# glibc runs its tests where there is one, and some open it\n")
    begin = time.monotonic()
    variables = {key: value for key, value in os.environ.items() if not key.startswith(("OMP_", "GOMP_", "MALLOC_"))}
    variables.update(environment, TIMEOUTFACTOR=os.environ.get("TIMEOUTFACTOR", "20"), TMPDIR=folder)
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(command, cwd=folder, env=variables, stdin=subprocess.DEVNULL, stdout=output,
                                   stderr=subprocess.STDOUT, start_new_session=True)
        try:
            status = process.wait(limit)
        except subprocess.TimeoutExpired:
            status = None
        end_session(process.pid)
        process.wait()
        output.seek(0)
        text = output.read(1 << 20).decode(errors="replace")
    shutil.rmtree(folder, ignore_errors=True)
    # A shell's word for a signal: `ssi run` is replaced by the program, the cluster's tools are not.
    return Outcome(status, text, time.monotonic() - begin)


class Cluster:
    """Two nodes of namespaces, each on a core of its own, taken down at the end."""

    def __init__(self, script, name):
        self.script = str(script)
        os.environ["HOLON_SSI_CLUSTER"] = name

    def __enter__(self):
        subprocess.run([self.script, "down"], check=False, capture_output=True)
        done = subprocess.run([self.script, "up", "--nodes", "2"], check=False, capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(done.stdout + done.stderr)
        return self

    def __exit__(self, *_):
        subprocess.run([self.script, "down"], check=False, capture_output=True)

    def command(self, command):
        return [self.script, "run", "0", "ssi", "run", "--spread", *command]

    def log(self, node):
        return subprocess.run([self.script, "log", str(node)], check=True, capture_output=True, text=True).stdout

    def ends(self):
        """What the daemons wrote when processes with threads ended: program → list of records with CPU seconds."""
        used = {}
        for pid, user, system in re.findall(r"was process (\d+): CPU time ([0-9.]+) s user, ([0-9.]+) s system",
                                            self.log(1)):
            used.setdefault(int(pid), []).append(float(user) + float(system))
        found = {}
        for line in re.findall(r"process ended: (\{.*\})", self.log(0)):
            record = json.loads(line)
            record["cpu"] = used.get(record["pid"], [])
            found.setdefault(record["program"], []).append(record)
        return found

    def settled(self):
        """Waits until no body process is left, whose end is then in the log."""
        limit = time.monotonic() + 30
        while time.monotonic() < limit:
            log = self.log(1)
            if len(re.findall(r"body process \d+ for uid \d+$", log, re.M)) <= len(re.findall(r"was process \d+:", log)):
                return
            time.sleep(0.2)


def each(names, workers, seconds, one):
    """name → one(name), begun within so many seconds; those of NAMES that no time was left for are not in it."""
    begin = time.monotonic()

    def timely(name):
        return one(name) if time.monotonic() - begin < seconds else None

    with ThreadPoolExecutor(workers) as pool:
        results = dict(zip(names, pool.map(timely, names)))
    return {name: result for name, result in results.items() if result is not None}


def where(records):
    """(threads away, CPU seconds away, reason of pinning) of a program's records."""
    threads = sum(sum(r["started"].values()) for r in records)
    return threads, sum(sum(r["cpu"]) for r in records), next((r["pinned"] for r in records if r["pinned"]), "")


def real_path(command):
    return str(Path(command[0]).resolve())

#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""glibc's thread tests and libgomp's tests, from Debian's source packages and unmodified, natively and with their
threads forced onto two nodes.

A test counts that passes natively and really made a thread away from home, or failed to. It passes apart when it ends
in the same way, its process was never pinned, and threads of it ran on the other node; those that make no thread have
a column of their own. The run passes when at least --share percent do and every one that does not is in known.txt,
with its reason.

With --state FILE each piece of the work is added to FILE, and what is there is not done again: the whole may be run in
pieces of --seconds, which end with status 75 as long as there is more to do. All pieces are of one build of the
engine."""
import argparse
import hashlib
import json
import os
import platform
import re
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import compare
import packages
from glibc import Glibc
from gomp import Gomp

HERE = Path(__file__).resolve().parent
TOP = HERE.parents[2]
MORE_TO_DO = 75


def cache_folder():
    """Outside the tree, kept between runs."""
    if os.environ.get("HOLON_SUITES"):
        return Path(os.environ["HOLON_SUITES"])
    if os.geteuid() == 0:
        return Path("/var/cache/holon/suites")
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "holon" / "suites"


def engine():
    """Which build of the engine runs: a digest of its programs."""
    build = Path(os.environ.get("HOLON_BUILD", TOP / "build/release"))
    digest = hashlib.sha256()
    for name in ("daemon/ssid", "cli/ssi", "runtime/ssi-runtime"):
        digest.update((build / "ssi" / name).read_bytes())
    return digest.hexdigest()[:16]


def known_failures():
    """suite/test → reason."""
    lines = (line.split("#", 1)[0].strip() for line in (HERE / "known.txt").read_text().splitlines())
    return {name: reason.strip() for name, reason in (line.split(None, 1) for line in lines if line)}


def suites_of(cache):
    glibc = packages.fetch(cache, "glibc", "libc6")
    yield Glibc(packages.unpack_glibc(glibc), glibc / "build")
    major = re.match(r"(\d+)", packages.installed_version("libgomp1")).group(1)
    gomp = packages.fetch(cache, f"gcc-{major}", "libgomp1")
    yield Gomp(packages.unpack_gomp(gomp), gomp / "build")


def build(suite, chosen):
    """({name: (command, environment)}, names of those that do not compile here)"""
    suite.prepare()
    found = {name: source for name, source in suite.tests().items() if chosen(f"{suite.name}/{name}")}
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        programs = dict(zip(found, pool.map(lambda name: suite.compile(name, found[name]), found)))
    calls = {name: suite.call_of(name, program) for name, program in programs.items() if program}
    return ({f"{suite.name}/{name}": call for name, call in calls.items() if call},
            [f"{suite.name}/{name}" for name in found if not calls.get(name)])


class State:
    """What has been done: one line of JSON a test, after a first one that says with which engine. In memory where no
    file is wanted."""

    def __init__(self, path):
        self.path, self.entries = path, {}
        first = {"engine": engine(), "kernel": platform.release(), "begun": time.strftime("%Y-%m-%d %H:%M:%S")}
        if path and path.exists():
            head, *lines = path.read_text().splitlines()
            if json.loads(head)["engine"] != first["engine"]:
                raise RuntimeError(f"{path} is of another build of the engine: give another file")
            self.entries = {entry["name"]: entry for entry in map(json.loads, lines)}
        elif path:
            path.write_text(json.dumps(first) + "\n")

    def add(self, entries):
        self.entries.update((entry["name"], entry) for entry in entries)
        if self.path:
            with self.path.open("a") as file:
                file.writelines(json.dumps(entry) + "\n" for entry in entries)


def kind_of(entry):
    """(kind, reason) of a test by how it ended and where its threads were."""
    here, there = entry["here"], entry["there"]
    if here["status"] == compare.SKIPPED:
        return "not for this machine", ""
    if here["status"] != 0:
        return "fails natively", here["how"]
    if there["status"] == 0 and not entry["processes"]:
        return "no threads", ""
    if there["status"] != 0:
        return "fails apart", there["how"]
    if entry["pinned"]:
        return "fails apart", f"pinned: {entry['pinned']}"
    if entry["threads_away"] == 0:
        return "fails apart", "no thread left home"
    return "passes apart", ""


def run(tests, arguments):
    """Runs tests until the time is up; their entries."""
    with compare.Cluster(TOP / "scripts/ssi-cluster", os.environ.get("HOLON_SSI_CLUSTER", "suites")) as cluster:
        def both(name):
            command, environment = tests[name]
            here = compare.outcome(command, environment, arguments.limit)
            there = None
            if here.status == 0:
                there = compare.outcome(cluster.command(command), environment, arguments.limit)
                if there.status != 0:
                    print(f"# {name}: {there.describe()} ({there.last_line()})", flush=True)
            return here, there

        results = compare.each(tests, arguments.jobs, arguments.seconds, both)
        cluster.settled()
        ends = cluster.ends()

    def described(outcome):
        return outcome and {"status": outcome.status, "how": outcome.describe(), "last": outcome.last_line(),
                            "seconds": round(outcome.seconds, 2)}

    entries = []
    for name, (here, there) in results.items():
        records = ends.get(compare.real_path(tests[name][0]), [])
        threads, cpu, pinned = compare.where(records)
        entries.append({"name": name, "here": described(here), "there": described(there), "processes": len(records),
                        "threads_away": threads, "cpu_away": round(cpu, 6), "pinned": pinned})
    return entries


def report(entries, missing, arguments):
    """Prints what must be said, writes what a machine reads; the exit status."""
    known = known_failures()
    kinds = {}
    for entry in entries:
        entry["kind"], entry["reason"] = kind_of(entry)
        kinds.setdefault(entry["kind"], []).append(entry)
    good, bad = kinds.get("passes apart", []), kinds.get("fails apart", [])
    unknown = [entry["name"] for entry in bad if entry["name"] not in known]
    for entry in bad:
        print(f"{entry['name']}: {entry['reason']} ({known.get(entry['name'], 'NOT KNOWN')}) {entry['there']['last']}")
    for entry in good:
        if entry["name"] in known:
            print(f"# {entry['name']} passes, and is in known.txt")
    for suite in sorted({name.split("/")[0] for name in [*(e["name"] for e in entries), *missing]}):
        def of(kind, suite=suite):
            return [e for e in kinds.get(kind, []) if e["name"].startswith(suite + "/")]
        passed, counted = len(of("passes apart")), len(of("passes apart")) + len(of("fails apart"))
        print(f"# {suite}: {passed} of {counted} that pass natively and have threads pass with them apart "
              f"({100 * passed / max(counted, 1):.2f} %); {sum(e['threads_away'] for e in of('passes apart'))} threads "
              f"and {sum(e['cpu_away'] for e in of('passes apart')):.1f} s of CPU time away from home. Besides: "
              f"{len(of('no threads'))} make no thread, {len(of('fails natively'))} fail natively, "
              f"{len(of('not for this machine'))} are not for this machine, "
              f"{sum(n.startswith(suite + '/') for n in missing)} need what only their own build makes")
    counted = len(good) + len(bad)
    percent = 100 * len(good) / counted if counted else 0
    passes = not unknown and counted and percent >= arguments.share
    print(f"# together: {len(good)} of {counted}, {percent:.2f} %; {sum(e['threads_away'] for e in good)} threads and "
          f"{sum(e['cpu_away'] for e in good):.1f} s of CPU time away from home; engine {engine()}, kernel "
          f"{platform.release()}")
    if unknown:
        print(f"# {len(unknown)} fail that known.txt does not name: {' '.join(unknown)}")
    print(f"{'ok' if passes else 'not ok'} - {arguments.share:g} % or more pass with their threads on two nodes, and "
          "what does not is known")
    if arguments.json:
        arguments.json.write_text(json.dumps({
            "kernel": platform.release(), "engine": engine(), "passed": len(good), "counted": counted,
            "percent": round(percent, 2), "not_built": missing, "tests": entries}, indent=1) + "\n")
    return 0 if passes else 1


def main():
    parse = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parse.add_argument("--only", metavar="REGEX", default="", help="tests whose SUITE/NAME matches")
    parse.add_argument("--list", metavar="FILE", type=Path, help="only those named in FILE")
    parse.add_argument("--share", type=float, default=98, help="percent that must pass (98)")
    parse.add_argument("--limit", type=float, default=600, help="seconds for one test (600)")
    parse.add_argument("--seconds", type=float, default=float("inf"), help="begin no test later than that")
    parse.add_argument("--jobs", type=int, default=3, help="tests at once (3)")
    parse.add_argument("--state", metavar="FILE", type=Path, help="what has been done, to go on from")
    parse.add_argument("--json", metavar="FILE", type=Path, help="where to write the result of each test")
    parse.add_argument("--build-only", action="store_true", help="fetch and compile, run nothing")
    arguments = parse.parse_args()

    listed = set(arguments.list.read_text().split()) if arguments.list else None

    def chosen(name):
        return (listed is None or name in listed) and re.search(arguments.only, name) is not None

    tests, missing = {}, []
    for suite in suites_of(cache_folder()):
        built, absent = build(suite, chosen)
        tests.update(built)
        missing += absent
    if arguments.build_only:
        print(f"{len(tests)} tests compiled; not: {' '.join(missing)}")
        return 0
    state = State(arguments.state)
    todo = {name: call for name, call in tests.items() if name not in state.entries}
    if todo:
        state.add(run(todo, arguments))
    left = sum(name not in state.entries for name in tests)
    if left:
        print(f"# {len(tests) - left} of {len(tests)} tests are done")
        return MORE_TO_DO
    return report([state.entries[name] for name in tests], missing, arguments)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except packages.Failed as error:
        print(f"suites: {error}", file=sys.stderr)
        sys.exit(compare.SKIPPED)
    except RuntimeError as error:
        sys.exit(f"suites: {error}")

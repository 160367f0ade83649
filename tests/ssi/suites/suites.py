#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""glibc's thread tests and libgomp's tests, from Debian's source packages and unmodified, natively and with their
threads forced onto two nodes.

A test counts that makes a thread and passes natively. It passes apart when it ends in the same way, its process was
never pinned, and threads of it ran on the other node. The run passes when at least --share percent do and every one
that does not is in known.txt, with its reason."""
import argparse
import json
import os
import platform
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import compare
import packages
from glibc import Glibc
from gomp import Gomp

HERE = Path(__file__).resolve().parent
TOP = HERE.parents[2]


def cache_folder():
    """Outside the tree, kept between runs."""
    if os.environ.get("HOLON_SUITES"):
        return Path(os.environ["HOLON_SUITES"])
    if os.geteuid() == 0:
        return Path("/var/cache/holon/suites")
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "holon" / "suites"


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


class Verdict:
    """All that is known of one test."""

    def __init__(self, name, here, there, records):
        self.name, self.here, self.there = name, here, there
        self.threads, self.cpu, self.pinned = compare.where(records)
        self.has_threads = bool(records)
        self.natively = here.status == 0
        self.reason = self.why()

    def why(self):
        if self.there is None:
            return ""
        if self.there.status != 0:
            return self.there.describe()
        if self.pinned:
            return f"pinned: {self.pinned}"
        if self.has_threads and self.threads == 0:
            return "no thread left home"
        return ""

    def kind(self):
        if self.here.status == compare.SKIPPED:
            return "not for this machine"
        if not self.natively:
            return "fails natively"
        if self.there.status == 0 and not self.has_threads:
            return "no threads"
        return "fails apart" if self.reason else "passes apart"


def report(verdicts, missing, known, share, where):
    """Prints what must be said, writes what a machine reads; the exit status."""
    kinds = {}
    for verdict in verdicts:
        kinds.setdefault(verdict.kind(), []).append(verdict)
    good, bad = kinds.get("passes apart", []), kinds.get("fails apart", [])
    unknown = [v for v in bad if v.name not in known]
    for verdict in bad:
        last = (verdict.there.text.strip().splitlines() or [""])[-1][:120]
        note = known.get(verdict.name, "NOT KNOWN")
        print(f"{verdict.name}: {verdict.reason} ({note}) {last}")
    for verdict in good:
        if verdict.name in known:
            print(f"# {verdict.name} passes, and is in known.txt")
    counted = len(good) + len(bad)
    percent = 100 * len(good) / counted if counted else 0
    for suite in sorted({name.split("/")[0] for name in [*(v.name for v in verdicts), *missing]}):
        def of(kind, suite=suite):
            return sum(v.name.startswith(suite + "/") for v in kinds.get(kind, []))
        print(f"# {suite}: {of('passes apart') + of('fails apart')} with threads pass natively, {of('passes apart')} of "
              f"them apart; {of('no threads')} make no thread, {of('fails natively')} fail natively, "
              f"{of('not for this machine')} are not for this machine, "
              f"{sum(n.startswith(suite + '/') for n in missing)} need what only their own build makes")
    print(f"# together: {len(good)} of {counted}, {percent:.2f} %; {sum(v.threads for v in good)} threads and "
          f"{sum(v.cpu for v in good):.1f} s of CPU time away from home; kernel {platform.release()}")
    if where:
        where.write_text(json.dumps({
            "kernel": platform.release(), "passed": len(good), "counted": counted, "percent": round(percent, 2),
            "not_built": missing,
            "tests": [{"name": v.name, "kind": v.kind(), "reason": v.reason, "threads_away": v.threads,
                       "cpu_away": round(v.cpu, 6), "pinned": v.pinned, "seconds_natively": round(v.here.seconds, 2),
                       "seconds_apart": round(v.there.seconds, 2) if v.there else None} for v in verdicts]},
            indent=1) + "\n")
    if unknown:
        print(f"# {len(unknown)} fail that known.txt does not name")
    return 1 if unknown or percent < share or not counted else 0


def main():
    parse = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parse.add_argument("--only", metavar="REGEX", default="", help="tests whose SUITE/NAME matches")
    parse.add_argument("--list", metavar="FILE", type=Path, help="only those named in FILE")
    parse.add_argument("--share", type=float, default=98, help="percent that must pass (98)")
    parse.add_argument("--limit", type=float, default=600, help="seconds for one test (600)")
    parse.add_argument("--jobs", type=int, default=3, help="tests at once (3)")
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
    here = compare.natively(tests, arguments.limit, arguments.jobs)
    again = {name: tests[name] for name, result in here.items() if result.status == 0}
    with compare.Cluster(TOP / "scripts/ssi-cluster", os.environ.get("HOLON_SSI_CLUSTER", "suites")) as cluster:
        there = compare.apart(cluster, again, arguments.limit, arguments.jobs, lambda name, result: (
            None if result.status == 0 else print(f"# {name}: {result.describe()}", flush=True)))
        ends = cluster.ends()
    verdicts = [Verdict(name, here[name], there.get(name), ends.get(compare.real_path(tests[name][0]), []))
                for name in tests]
    return report(verdicts, missing, known_failures(), arguments.share, arguments.json)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except packages.Failed as error:
        print(f"suites: {error}", file=sys.stderr)
        sys.exit(compare.SKIPPED)
    except RuntimeError as error:
        sys.exit(f"suites: {error}")

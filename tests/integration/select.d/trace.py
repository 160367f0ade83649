# SPDX-License-Identifier: GPL-2.0-or-later
"""python3 trace.py [--shadow DIR] [--jobs N] [--seed S] [--under CMD] DRIVER: drives a random trace of ordinary jobs,
one request at a time, through a slurmctld alone, and prints what it decided, one line a step: nodes and cores of each
job, where it would start if not now. Two runs of equal decisions print the same."""

import argparse
import os
import random
import shlex
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..", "bench"))
from lib.controller import Controller, spec  # noqa: E402

NODES = ["NodeName=a[0-23] Sockets=2 CoresPerSocket=4 ThreadsPerCore=1 RealMemory=16000 State=CLOUD",
         "NodeName=b[0-15] Sockets=2 CoresPerSocket=4 ThreadsPerCore=2 RealMemory=32000 State=CLOUD Feature=fast",
         "NodeName=c[0-7] Sockets=1 CoresPerSocket=32 RealMemory=64000 State=CLOUD Weight=5"]
PARTS = ["PartitionName=all Nodes=ALL Default=YES State=UP",
         "PartitionName=small Nodes=a[0-23],b[0-7] State=UP",
         "PartitionName=whole Nodes=c[0-7],b[8-15] State=UP OverSubscribe=EXCLUSIVE"]


def request(chance, minutes):
    words = [f"time={minutes}"]
    kind = chance.random()
    if kind < 0.35:
        words.append(f"tasks={chance.randint(1, 40)}")
    elif kind < 0.7:
        nodes = chance.randint(1, 8)
        words += [f"nodes={nodes}", f"tasks={nodes * chance.randint(1, 6)}"]
    elif kind < 0.85:
        nodes = chance.randint(1, 6)
        words += [f"nodes={nodes}", f"max={nodes + chance.randint(0, 4)}", f"tasks={nodes}"]
    else:
        nodes, each = chance.randint(1, 4), chance.randint(1, 4)
        words += [f"nodes={nodes}", f"per-node={each}", f"tasks={nodes * each}"]
    if chance.random() < 0.3:
        words.append(f"cpus={chance.randint(1, 4)}")
    if chance.random() < 0.5:
        words.append(f"mem-per-cpu={chance.choice([100, 500, 2000])}" if chance.random() < 0.5 else
                     f"mem={chance.choice([500, 4000, 15000])}")
    if chance.random() < 0.1:
        words.append("exclusive=1")
    if chance.random() < 0.05:
        words.append("contiguous=1")
    if chance.random() < 0.1:
        words.append(f"exclude=a[{chance.randint(0, 5)}-{chance.randint(6, 20)}]")
    if chance.random() < 0.05:
        words.append(f"nodelist=b{chance.randint(0, 15)}")
    if chance.random() < 0.3:
        words.append("partition=" + chance.choice(["small", "whole"]))
    return " ".join(words)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("driver")
    parser.add_argument("--shadow")
    parser.add_argument("--jobs", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--vm-jobs", action="store_true", help="every third job is one")
    parser.add_argument("--configuration", action="append", default=[])
    parser.add_argument("--under", default="")
    options = parser.parse_args()

    chance = random.Random(options.seed)
    # No scheduling but what a request itself causes, so that the order is the trace's.
    names = [f"{row}{number}" for row, count in (("a", 24), ("b", 16), ("c", 8)) for number in range(count)]
    facts = {name: {"healthy": name not in ("a3", "b7")} for name in names}
    controller = Controller(NODES, options.shadow, options.driver, under=shlex.split(options.under), parts=PARTS,
                            facts=facts, site='placement:\n  domains: ["left=a[0-11]", "right=a[12-23]", "big=c[0-7]"]\n',
                            configuration=["SchedulerParameters=sched_interval=-1,bf_interval=10800",
                                           *options.configuration])
    # No two jobs end within the same minutes: which ends first, by the second, differs from run to run.
    limits = chance.sample(range(60, 60 + 5 * options.jobs, 5), options.jobs)
    running = []
    for number in range(options.jobs):
        what = request(chance, limits[number])
        with_spec = f" spec={spec()}" if options.vm_jobs and number % 3 == 0 else ""
        answer = controller.ask(f"allocate {what}{with_spec}").split()
        if answer[0] != "job":
            print(number, what, "->", *answer)
        elif len(answer) == 3:
            running.append(answer[1])
            print(number, what, "->", controller.show(answer[1]))
        else:
            later = controller.ask(f"try {what}{with_spec}").split()
            controller.end(answer[1])
            print(number, what, "-> waits,", later[0], later[-1])
        while running and (chance.random() < 0.45 or len(running) > 60):
            victim = running.pop(chance.randrange(len(running)))
            controller.end(victim)
    code = controller.stop()
    print(f"slurmctld: {code}", file=sys.stderr)
    print(controller.log(), file=sys.stderr)
    sys.exit(code)


if __name__ == "__main__":
    main()

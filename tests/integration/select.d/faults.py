# SPDX-License-Identifier: GPL-2.0-or-later
"""python3 faults.py DRIVER SHADOW BROKEN-DIR: slurmctld keeps running and scheduling, whatever is wrong with the select
plugin or with what it reads. BROKEN-DIR has the plugins that are built wrong on purpose."""

import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..", "bench"))
from lib.controller import Controller, spec  # noqa: E402

DRIVER, SHADOW, BROKEN = sys.argv[1:4]
FACTS = {f"n{number}": {} for number in range(1, 5)}
failed = 0


def check(sentence, good, seen=""):
    global failed
    print(f"{'ok' if good else 'FAILED'}  {sentence}{'' if good else f': {seen}'}", flush=True)
    failed += not good


def cluster(shadow=SHADOW, facts=FACTS, site=""):
    return Controller(["NodeName=n[1-4] CPUs=8 CoresPerSocket=8 RealMemory=8000 State=CLOUD"], shadow, DRIVER, facts=facts,
                      site=site, configuration=["DefMemPerCPU=10", "SchedulerParameters=sched_interval=-1,bf_interval=10800"])


def said(controller):
    return [line for line in controller.log().splitlines() if " holon: " in line]


def wait_for_word(controller, text, limit=20):
    deadline = time.monotonic() + limit
    while not any(text in line for line in said(controller)):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def schedules(controller, what, ours):
    """Jobs with the spec OURS and without it start, run in every mode of job_test, and end."""
    for words in (f"nodes=2 tasks=2 time=5 spec={ours}", "nodes=3 tasks=5 time=5", f"tasks=9 time=5 spec={ours}"):
        answer = controller.ask("allocate " + words).split()
        if len(answer) != 3:
            check(f"jobs start with {what}", False, f"{words[:40]}: {answer}")
            return
        later = controller.ask("try " + words)
        if not later.startswith("start"):
            check(f"estimates are made with {what}", False, later)
            return
        controller.end(answer[1])
    check(f"jobs start, are estimated and end with {what}", controller.alive())


def ends(controller, what):
    code = controller.stop()
    check(f"slurmctld ends as always with {what}", code == 0, code)
    controller.close()


def specs():
    controller = cluster()
    for name, text in (("no JSON", "{"), ("another release's spec", spec().replace('"v":1', '"v":9')),
                       ("numbers that are none", spec().replace('"vm_cpus":0', '"vm_cpus":-1e99')), ("noise", "\x01\x7f%s%n%n"),
                       ("a deep nest", "[" * 20000), ("an image nobody has", spec("no-such-image-anywhere"))):
        if name == "an image nobody has":
            answer = controller.ask(f"allocate nodes=1 tasks=1 time=5 spec={text}").split()
            check("a job for an image nobody has waits", len(answer) == 2 and answer[0] == "job", answer)
            controller.end(answer[1])
        else:
            schedules(controller, f"{name} as the spec", text)
    lines = said(controller)
    check("what is wrong with a spec is said, once", 0 < len(lines) <= 6 and len(set(line[25:] for line in lines)) == len(lines), lines)
    ends(controller, "corrupted specs")


def files():
    controller = cluster(facts=None)
    check("a missing snapshot is said", wait_for_word(controller, "snapshot.json"), said(controller))
    schedules(controller, "no snapshot", spec())
    controller.write("holon.yaml", "controller: [this, is, not, it\n")
    check("a broken holon.yaml is said", wait_for_word(controller, "holon.yaml"), said(controller))
    schedules(controller, "a broken holon.yaml", spec())
    os.remove(controller.folder + "/holon.yaml")
    schedules(controller, "no holon.yaml", spec())
    ends(controller, "broken files")
    controller = cluster()
    controller.write("site/snapshot.json", '{"v":1,"time":99999999999,"settled":true,"nodes":[{"name":"n1"}],"checkpoints":[]}')
    schedules(controller, "a snapshot that is half written", spec())
    ends(controller, "half a snapshot")


def wrong_builds():
    for place in ("job", "details", "part"):
        controller = cluster(f"{BROKEN}/select_shifted_{place}")
        time.sleep(0.5)  # facts are there by then, or not: both must do
        schedules(controller, f"a plugin that looks for {place} in the wrong place", spec())
        schedules(controller, "it, again", spec())
        lines = said(controller)
        # Where the spec itself is not where it is looked for, no job is taken for a VM job.
        check("it is silent, or says once that it was built for another release",
              len(lines) <= 1 and all("another micro release" in line for line in lines), lines)
        ends(controller, f"a wrong build ({place})")


def throwing():
    controller = cluster(f"{BROKEN}/select_throwing")
    time.sleep(0.5)
    schedules(controller, "a placement that throws", spec())
    check("its error is said", wait_for_word(controller, "the placement is broken"), said(controller))
    schedules(controller, "a placement that throws, again", spec())
    check("once", len(said(controller)) == 1, said(controller))
    ends(controller, "a placement that throws")


for session in (specs, files, wrong_builds, throwing):
    session()
sys.exit(1 if failed else 0)

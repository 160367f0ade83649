# SPDX-License-Identifier: GPL-2.0-or-later
"""python3 sessions.py DRIVER SHADOW: what the select plugin does with VM jobs, in a slurmctld alone."""

import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..", "bench"))
from lib.controller import Controller, spec  # noqa: E402

DRIVER, SHADOW = sys.argv[1:3]
failed = 0


def check(sentence, good, seen=""):
    global failed
    print(f"{'ok' if good else 'FAILED'}  {sentence}{'' if good else f': {seen}'}", flush=True)
    failed += not good


def cluster(facts, nodes="n[1-8] CPUs=8 CoresPerSocket=8 RealMemory=8000", site="", scheduler="sched_interval=-1,bf_interval=10800"):
    controller = Controller([f"NodeName={nodes} State=CLOUD"], SHADOW, DRIVER, facts=facts, site=site,
                            configuration=["DefMemPerCPU=10", f"SchedulerParameters={scheduler}"])
    return controller


def healthy(*numbers):
    return {f"n{number}": {} for number in numbers}


def allocation(controller, words):
    """Job and nodes with their cores, as "n1:0-7 n2:0"; "waits" where it does not start."""
    answer = controller.ask("allocate " + words).split()
    if answer[0] != "job":
        return None, " ".join(answer)
    if len(answer) < 3:
        return answer[1], "waits"
    return answer[1], controller.show(answer[1]).removeprefix("RUNNING ")


def expand(text):
    """"n[1-3,5]" as "n1 n2 n3 n5"."""
    if "[" not in text:
        return [text]
    names = []
    for part in text[text.index("[") + 1:-1].split(","):
        first, _, last = part.partition("-")
        names += [f"n{number}" for number in range(int(first), int(last or first) + 1)]
    return names


def nodes_of(controller, words):
    job, seen = allocation(controller, words)
    if job is None or seen == "waits":
        return seen
    return " ".join(sorted(name for part in seen.split() for name in expand(part.split(":")[0])))


def facts_are_known(controller, known):
    """The plugin reads files in the background; a trial tells when it has: KNOWN(answer)."""
    deadline = time.monotonic() + 20
    while True:
        job, seen = allocation(controller, f"nodes=1 tasks=1 time=5 spec={spec()}")
        controller.end(job)
        if known(seen):
            return
        if time.monotonic() > deadline:
            raise SystemExit(f"what the plugin knows does not change: {seen}\n{controller.log()[-3000:]}")
        time.sleep(0.1)


def broken_node():
    facts = dict(healthy(*range(1, 9)), n1={"healthy": False, "reason": "no libvirtd"})
    controller = cluster(facts)
    facts_are_known(controller, lambda seen: not seen.startswith("n1:"))
    check("a VM job avoids a node whose VM layer is broken", nodes_of(controller, f"nodes=7 tasks=7 time=5 spec={spec()}") == "n2 n3 n4 n5 n6 n7 n8")
    job, seen = allocation(controller, f"nodes=8 tasks=8 time=5 spec={spec()}")
    check("a VM job that needs the broken node waits, and is not refused", seen == "waits", seen)
    controller.end(job)
    check("an ordinary job uses that node", nodes_of(controller, "nodelist=n1 nodes=1 tasks=1 time=5") == "n1")
    controller.tell(healthy(*range(1, 9)))
    facts_are_known(controller, lambda seen: seen.startswith("n1:"))
    check("a mended node gets VM jobs again", nodes_of(controller, f"nodes=8 tasks=8 time=5 spec={spec()}") == "n1 n2 n3 n4 n5 n6 n7 n8")
    check("slurmctld ends well", controller.stop() == 0)
    controller.close()


def images():
    facts = dict(healthy(1, 2, 3, 4, 5, 6), n7={"cached": [], "present": ["tiny", "big"]}, n8={"cached": ["big"]})
    facts["n1"] = {"cached": [], "present": ["tiny"]}
    controller = cluster(facts)
    facts_are_known(controller, lambda seen: seen.startswith("n2:"))
    check("a node with the image in its cache comes before one that has to fetch it",
          nodes_of(controller, f"nodes=2 tasks=2 time=5 spec={spec()}") == "n2 n3")
    check("where too few have it cached, those that have it at all are used",
          nodes_of(controller, f"nodes=7 tasks=7 time=5 spec={spec()}") == "n1 n2 n3 n4 n5 n6 n7")
    check("a node without the image is not used",
          nodes_of(controller, f"nodes=2 tasks=2 time=5 spec={spec('big')}") == "n7 n8")
    job, seen = allocation(controller, f"nodes=3 tasks=3 time=5 spec={spec('big')}")
    check("a job that more nodes are needed for than have its image waits", seen == "waits", seen)
    controller.close()


def domains():
    controller = cluster(healthy(*range(1, 9)), site='placement:\n  domains: ["left=n[1-3]", "right=n[4-8]"]\n')
    facts_are_known(controller, lambda seen: True)
    seen = nodes_of(controller, f"nodes=4 tasks=4 time=5 spec={spec()}")
    check("a virtual cluster that fits in one latency domain is in one", seen == "n4 n5 n6 n7", seen)
    seen = nodes_of(controller, "nodes=4 tasks=4 time=5")
    check("an ordinary job is placed as always", seen == "n1 n2 n3 n4", seen)
    controller.close()


def fragments():
    controller = cluster(healthy(1, 2, 3, 4), "n[1-4] CPUs=8 CoresPerSocket=8 RealMemory=8000")
    facts_are_known(controller, lambda seen: True)
    for number, free in enumerate((3, 5, 1, 6), 1):
        allocation(controller, f"nodelist=n{number} nodes=1 tasks={8 - free} time=60")
    job, seen = allocation(controller, f"tasks=15 time=5 spec={spec()}")
    cores = {part.split(":")[0]: part.split(":")[1] for part in seen.split()} if seen != "waits" else {}
    check("15 CPUs are gathered at once from fragments of 3, 5, 1 and 6",
          cores == {"n1": "5-7", "n2": "3-7", "n3": "7", "n4": "2-7"}, seen)
    controller.end(job)
    job, seen = allocation(controller, f"tasks=11 time=5 spec={spec()}")
    check("11 CPUs come from the two largest fragments", seen == "n2:3-7 n4:2-7", seen)
    controller.close()


def agreement():
    controller = cluster(dict(healthy(3, 4), n1={"healthy": False}, n2={"healthy": False}),
                         "n[1-4] CPUs=8 CoresPerSocket=8 RealMemory=8000")
    facts_are_known(controller, lambda seen: seen.startswith("n3:"))
    busy, _ = allocation(controller, "nodelist=n3 nodes=1 tasks=8 time=10")
    words = f"nodes=2 tasks=2 time=5 spec={spec()}"
    answer = controller.ask("try " + words).split()
    check("a job that must wait is told when and where it will start",
          answer[0] == "start" and 500 <= int(answer[1]) <= 700 and answer[2] == "n[3-4]", answer)
    job, seen = allocation(controller, words)
    check("and does not start before", seen == "waits", seen)
    controller.end(job)
    controller.end(busy)
    answer = controller.ask("try " + words).split()
    check("a job that could start now is told so, and where", int(answer[1]) <= 1 and answer[2] == "n[3-4]", answer)
    check("and then starts there", nodes_of(controller, words) == "n3 n4")
    controller.close()


def start_estimates():
    """Backfill's estimate, and what then happens. The time limit of a minute is the shortest there is."""
    facts = dict(healthy(2, 3, 4), n1={"healthy": False})
    controller = cluster(facts, "n[1-4] CPUs=8 CoresPerSocket=8 RealMemory=8000",
                         scheduler="sched_interval=1,bf_interval=1,bf_resolution=1,batch_sched_delay=0")
    facts_are_known(controller, lambda seen: seen.startswith("n2:"))
    busy = [allocation(controller, f"nodelist=n{number} nodes=1 tasks=8 time=1")[0] for number in (2, 3)]
    job = controller.ask(f"submit nodes=3 tasks=3 time=5 spec={spec()}").split()[1]
    deadline = time.monotonic() + 30
    while True:
        words = controller.run("squeue", "-h", "--start", "-j", job, "-o", "%S %Y").split()
        if words and words[0] not in ("N/A", "(null)") and len(words) == 2 and words[1] != "(null)":
            break
        if time.monotonic() > deadline:
            raise SystemExit(f"backfill makes no estimate: {words}\n{controller.log()[-3000:]}")
        time.sleep(0.2)
    told, where = time.mktime(time.strptime(words[0], "%Y-%m-%dT%H:%M:%S")), words[1]
    check("squeue --start tells the nodes that can host VMs", where == "n[2-4]", where)
    # On nodes that exist only on paper nobody ends jobs at their time limit but this.
    time.sleep(max(0, told - time.time()))
    check("the job has not started before", controller.ask(f"show {job}") == "PENDING")
    for one in busy:
        controller.end(one)
    deadline = time.monotonic() + 30
    while not (seen := controller.show(job)).startswith("RUNNING") and time.monotonic() < deadline:
        time.sleep(0.1)
    check("and it starts there", "n[2-4]:0" in seen, seen)
    started = controller.run("squeue", "-h", "-j", job, "-o", "%S").strip()
    late = time.mktime(time.strptime(started, "%Y-%m-%dT%H:%M:%S")) - told
    check("when it was told", 0 <= late <= 10, late)
    controller.close()


for session in (broken_node, images, domains, fragments, agreement, start_estimates):
    session()
sys.exit(1 if failed else 0)

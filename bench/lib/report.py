# SPDX-License-Identifier: GPL-2.0-or-later
"""How a bench ends: a table for people, then one line of JSON; status 1 where a target is missed."""

import json
import os
import platform
import statistics
import sys

median = statistics.median


def spread(values):
    """Median and range, in milliseconds or as they are, for a table's cell."""
    return f"{median(values):.3f} ({min(values):.3f} – {max(values):.3f})"


def table(head, rows):
    rows = [[str(cell) for cell in row] for row in [head, *rows]]
    widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
    for number, row in enumerate(rows):
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())
        if number == 0:
            print("  ".join("-" * width for width in widths))
    print()


def progress(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


def machine():
    model = ""
    with open("/proc/cpuinfo") as info:
        for line in info:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    return {"cpus": os.cpu_count(), "model": model, "kernel": platform.release(),
            "load_1min": round(os.getloadavg()[0], 2)}


def rounded(value):
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [rounded(item) for item in value]
    return value


def finish(name, metrics, baselines, targets):
    """TARGETS: name → (value, "<=" or ">=", limit)."""
    judged = {}
    for target, (value, relation, limit) in targets.items():
        met = value <= limit if relation == "<=" else value >= limit
        judged[target] = {"value": value, "target": f"{relation} {limit}", "met": met}
        print(f"{'met   ' if met else 'MISSED'}  {target}: {value:.2f} (target {relation} {limit})")
    ok = all(entry["met"] for entry in judged.values())
    print(json.dumps(rounded({"bench": name, "machine": machine(), "metrics": metrics, "baselines": baselines,
                              "targets": judged, "verdict": "ok" if ok else "missed"})))
    sys.exit(0 if ok else 1)

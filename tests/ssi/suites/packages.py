# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian's source packages, fetched with the machine's own apt sources into a folder outside the tree.

Nothing of the machine's apt is changed: the lists of sources have their own place, with `deb` made `deb-src`."""
import os
import re
import shutil
import subprocess
import tarfile
from pathlib import Path


class Failed(Exception):
    """What is missing, in one line."""


def run(*command, cwd=None):
    done = subprocess.run(command, cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise Failed(f"{command[0]} {command[1]}: {last}")
    return done.stdout


def source_lists(folder):
    """Debian's own entries of the machine, as sources of source packages."""
    entries = Path("/etc/apt/sources.list.d")
    for path in sorted(entries.glob("*.sources")):
        text = path.read_text()
        kept = [part for part in re.split(r"\n\s*\n", text) if "debian-archive-keyring" in part]
        if kept:
            changed = [re.sub(r"(?m)^Types:.*$", "Types: deb-src", part) for part in kept]
            (folder / path.name).write_text("\n\n".join(changed) + "\n")
    lines = []
    for path in [Path("/etc/apt/sources.list"), *sorted(entries.glob("*.list"))]:
        if path.exists():
            lines += [line for line in path.read_text().splitlines() if re.match(r"deb\s.*debian", line)]
    if lines:
        (folder / "holon.list").write_text("".join("deb-src" + line[3:] + "\n" for line in lines))
    if not any(folder.iterdir()):
        raise Failed("no Debian sources in /etc/apt: the suites come from Debian's source packages")


def apt(state):
    return ["-o", f"Dir::Etc::sourcelist={os.devnull}", "-o", f"Dir::Etc::sourceparts={state / 'parts'}",
            "-o", f"Dir::State::lists={state / 'lists'}", "-o", f"Dir::Cache={state / 'cache'}",
            "-o", "APT::Sandbox::User=root"]


def installed_version(package):
    return run("dpkg-query", "-W", "-f", "${source:Version}", package).strip()


def fetch(cache, source, package):
    """The folder with SOURCE of the version that PACKAGE is installed in; fetched once."""
    version = installed_version(package)
    place = cache / f"{source}_{version.replace(':', '_')}"
    if (place / "complete").exists():
        return place
    shutil.rmtree(place, ignore_errors=True)
    state = cache / "apt"
    for each in ("parts", "lists/partial", "cache/archives/partial"):
        (state / each).mkdir(parents=True, exist_ok=True)
    place.mkdir(parents=True)
    source_lists(state / "parts")
    run("apt-get", "update", *apt(state))
    run("apt-get", "source", "--only-source", "--download-only", *apt(state), f"{source}={version}", cwd=place)
    (place / "complete").touch()
    return place


def unpack_glibc(place):
    """glibc with Debian's patches."""
    tree = place / "tree"
    if not tree.exists():
        run("dpkg-source", "--no-check", "-x", next(place.glob("*.dsc")).name, "part", cwd=place)
        (place / "part").rename(tree)
    return tree


def unpack_gomp(place):
    """libgomp's testsuite: Debian's package of gcc is a tar file in a tar file; the patches touch no test."""
    tree = place / "tree"
    if not tree.exists():
        part = place / "part"
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir()
        with tarfile.open(next(place.glob("*.orig.tar.*"))) as outer:
            member = next(m for m in outer if re.search(r"/gcc-[0-9.]+(-dfsg)?\.tar\.", m.name))
            with tarfile.open(fileobj=outer.extractfile(member), mode="r:*") as inner:
                for each in inner:
                    if re.match(r"[^/]+/libgomp/testsuite/libgomp\.c", each.name) and each.isfile():
                        each.name = each.name.split("/testsuite/", 1)[1]
                        inner.extract(each, part, filter="data")
        part.rename(tree)
    return tree

# SPDX-License-Identifier: GPL-2.0-or-later
"""libgomp's own test programs: every `dg-do run` of C and C++, with the options its comments ask for."""
import os
import re
import subprocess

FLAGS = set(open("/proc/cpuinfo").read().split("flags", 1)[1].splitlines()[0].split())
# Of the machine: what a condition on a target may ask for, and whether it holds here. Others do not hold.
HOLDS = {"tls": True, "tls_runtime": True, "size32plus": True, "sync_int_long": True, "fpic": True, "shared": True,
         "large_long_double": True, "pthread": True, "lto": True, "vect_simd_clones": "avx2" in FLAGS,
         "avx_runtime": "avx" in FLAGS, "avx": "avx" in FLAGS, "sse2_runtime": True, "sse2": True,
         "avx512f_runtime": "avx512f" in FLAGS, "ia32": False, "lp64": True, "named_sections": True, "alias": True,
         "omp_usm": True, "trampolines": True}
DIRECTIVE = re.compile(r"\{\s*(dg-[a-z-]+)\s+((?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*)\}")


def holds(condition, language):
    """Whether a condition of DejaGnu's holds: names, `!`, `&&`, `||`, lists of systems."""
    def word(match):
        name = match.group(0)
        if name in ("and", "or", "not"):
            return name
        if "*" in name or "-" in name:
            return str(bool(re.search(r"\*-\*-\*|x86_64|linux", name)))
        if name in ("c", "c++"):
            return str(name == language)
        return str(HOLDS.get(name, False))

    text = condition.replace("target", " ").replace("{", "(").replace("}", ")")
    text = text.replace("&&", " and ").replace("||", " or ").replace("!", " not ")
    text = re.sub(r"[A-Za-z_0-9*?+-]+", word, text)
    text = re.sub(r"(True|False)(?=\s+(True|False))", r"\1 or", text)
    try:
        return bool(eval(text or "True", {"__builtins__": {}}))  # names have become True and False
    except SyntaxError:
        return False


class Test:
    """What the comments of one source say."""

    def __init__(self, path, language):
        self.run, self.options, self.environment, self.fails = False, [], {}, False
        self.sources, chosen = [], None
        for name, rest in DIRECTIVE.findall(path.read_text(errors="replace")):
            words = re.findall(r'"((?:[^"\\]|\\.)*)"|(\{(?:[^{}]|\{[^{}]*\})*\})|(\S+)', rest)
            values = [a or c for a, b, c in words if not b]
            conditions = [b for a, b, c in words if b and "target" in b]
            if not all(holds(c[1:-1], language) for c in conditions):
                if name == "dg-do":
                    self.run = False
                    return
                continue
            if name == "dg-do":
                self.run = values[:1] == ["run"]
                if not self.run:
                    return
            elif name == "dg-options":
                chosen = values[0].split()
            elif name == "dg-additional-options":
                self.options += values[0].split()
            elif name == "dg-set-target-env-var":
                self.environment[values[0]] = values[1]
            elif name == "dg-shouldfail":
                self.fails = True
            elif name == "dg-additional-sources":
                self.sources += values[0].split()
            elif name == "dg-require-effective-target" and not HOLDS.get(values[0], False):
                self.run = False
                return
        # A test without dg-do is run, as libgomp's dg-do-what-default says.
        if "dg-do" not in path.read_text(errors="replace"):
            self.run = True
        self.options = (chosen if chosen is not None else ["-O2"]) + [
            o for o in self.options if not o.startswith(("-foffload", "-fdump"))]


class Gomp:
    """The tests of one unpacked package, and the folder they are compiled into."""

    name = "libgomp"

    def __init__(self, tree, build):
        self.tree, self.build = tree, build
        self.log = build / "compile.log"
        self.found = {}

    def tests(self):
        for folder, suffix, language in (("libgomp.c", ".c", "c"), ("libgomp.c-c++-common", ".c", "c"),
                                         ("libgomp.c++", ".C", "c++"), ("libgomp.c-c++-common", ".c", "c++")):
            for path in sorted((self.tree / folder).glob(f"*{suffix}")):
                test = Test(path, language)
                if test.run:
                    self.found[f"{language}-{'common-' if 'common' in folder else ''}{path.stem}"] = (path, test, language)
        return {name: each[0] for name, each in self.found.items()}

    def prepare(self):
        self.build.mkdir(parents=True, exist_ok=True)

    def compile(self, name, source):
        """The program, or None."""
        _, test, language = self.found[name]
        out = self.build / name
        if out.exists():
            return out
        command = ["g++" if language == "c++" else "gcc", "-w", *test.options, "-fopenmp", f"-I{source.parent}"]
        if language == "c++" and source.suffix == ".c":
            command += ["-x", "c++"]
        command += [str(source), *(str(source.parent / s) for s in test.sources), "-o", str(out), "-lm"]
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False,
                              cwd=self.build)
        if done.returncode != 0:
            with self.log.open("a") as log:
                log.write(" ".join(command) + "\n" + done.stderr[:2000] + "\n")
            return None
        return out

    def call_of(self, name, program):
        environment = dict(self.found[name][1].environment)
        # As libgomp's own harness does where it is not told otherwise, lest tests take all day on one CPU.
        environment.setdefault("OMP_NUM_THREADS", os.environ.get("OMP_NUM_THREADS", "4"))
        return [str(program)], environment

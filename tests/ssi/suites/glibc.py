# SPDX-License-Identifier: GPL-2.0-or-later
"""glibc's thread tests, compiled against the installed glibc.

libsupport, which the tests link, comes from the source package too. A test that needs what only glibc's own build makes
(internal headers, GLIBC_PRIVATE symbols, files made by its makefiles) does not compile here and is counted as such."""
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

FOLDERS = ("nptl", "sysdeps/pthread", "malloc", "sysdeps/unix/sysv/linux")
# Headers of glibc's that stand alone: the tests see these and otherwise the installed ones.
ALONE = ("include/array_length.h", "include/libc-diag.h", "include/libc-pointer-arith.h", "include/intprops.h",
         "include/intprops-internal.h", "include/verify.h", "include/allocate_once.h", "include/xalloc.h",
         "sysdeps/generic/tst-stack-align.h", "sysdeps/x86/tst-stack-align.h", "sysdeps/generic/stackguard-macros.h",
         "nptl/tst-tls5.h", "sysdeps/generic/malloc-size.h", "sysdeps/x86_64/stackinfo.h", "include/scratch_buffer.h")
THREADS = re.compile(r"pthread_create|thrd_create|SIGEV_THREAD|std::thread|\bmq_notify|getaddrinfo_a|\baio_|lio_listio")
INCLUDED = re.compile(r'#\s*include\s+[<"]([^">]*tst-[^">]*\.c|[^">/]*-common[^">]*\.c)[">]')


def make_variables(tree):
    """NAME = value lines of the makefiles that name a test: its flags, arguments, environment."""
    found = {}
    for makefile in ("nptl/Makefile", "sysdeps/pthread/Makefile", "malloc/Makefile", "sysdeps/unix/sysv/linux/Makefile"):
        text = (tree / makefile).read_text().replace("\\\n", " ")
        for name, value in re.findall(r"(?m)^(\S*tst-\S+)\s*[:+]?=\s*(.*)$", text):
            found[name] = (found.get(name, "") + " " + value).strip()
    return found


class Glibc:
    """The tests of one unpacked package, and the folder they are compiled into."""

    name = "glibc"

    def __init__(self, tree, build):
        self.tree, self.build = tree, build
        self.headers = build / "headers"
        self.variables = make_variables(tree)
        self.log = build / "compile.log"

    def tests(self):
        """Every C or C++ test of the folders that makes threads, itself or in the source that it includes."""
        found = {}
        for folder in FOLDERS:
            for path in sorted((self.tree / folder).glob("tst-*.c*")):
                if path.suffix in (".c", ".cc") and self.makes_threads(path, 3) and not re.search(
                        r"(mod[0-9a-z]?|-common|-skeleton|aux.*)$", path.stem):
                    found.setdefault(path.stem, path)
        return found

    def makes_threads(self, path, depth):
        text = path.read_text(errors="replace")
        if "do_test" not in text and "main" not in text and not INCLUDED.search(text):
            return False
        if THREADS.search(text):
            return True
        for name in INCLUDED.findall(text) if depth else ():
            other = next((p for p in (path.parent / name, self.tree / name, self.tree / "sysdeps/pthread" / name)
                          if p.exists()), None)
            if other and self.makes_threads(other, depth - 1):
                return True
        return False

    def options(self, source):
        folder = source.parent
        return ["-w", "-O2", "-include", str(Path(__file__).with_name("glibc_build.h")),
                f"-I{self.headers}", "-idirafter", str(self.tree), "-iquote", str(self.tree / "sysdeps/pthread"),
                "-iquote", str(self.tree / "nptl"), "-idirafter", str(self.tree / "support"), "-DTEST_STATIC=0",
                *(["-std=gnu++17"] if source.suffix == ".cc" else ["-std=gnu11", "-fgnu89-inline"])]

    def prepare(self):
        """libsupport, of what compiles."""
        self.build.mkdir(parents=True, exist_ok=True)
        (self.build / "support").mkdir(exist_ok=True)
        self.headers.mkdir(exist_ok=True)
        for name in ALONE:
            if (self.tree / name).exists() and not (self.headers / Path(name).name).exists():
                (self.headers / Path(name).name).symlink_to(self.tree / name)
        for empty in ("config.h", "libc-symbols.h", "libc-config.h"):
            (self.headers / empty).touch()
        library = self.build / "libsupport.a"
        if library.exists():
            return
        place = [f'-D{name}_PATH="{value}"' for name, value in
                 {"SRCDIR": self.tree, "OBJDIR": self.build, "OBJDIR_ELF_LDSO": "/lib64/ld-linux-x86-64.so.2",
                  "INSTDIR": "/usr", "LIBDIR": "/usr/lib", "BINDIR": "/usr/bin", "SBINDIR": "/usr/sbin",
                  "SLIBDIR": "/lib", "ROOTSBINDIR": "/sbin", "COMPLOCALEDIR": "/usr/lib/locale"}.items()]
        text = (self.tree / "support/Makefile").read_text().replace("\\\n", " ")
        names = re.search(r"(?m)^libsupport-routines\s*=(.*)$", text).group(1).split()
        names += ["scratch_buffer_grow", "scratch_buffer_grow_preserve", "scratch_buffer_set_array_size"]

        def compile_one(name):
            folder = "malloc" if name.startswith("scratch_buffer") else "support"
            source = self.tree / folder / f"{name}.c"
            out = self.build / "support" / f"{name}.o"
            return out if self.call(["gcc", *self.options(source), *place, "-c", str(source), "-o", str(out)]) else None

        with ThreadPoolExecutor(2) as pool:
            objects = [str(o) for o in pool.map(compile_one, names) if o]
        self.call(["ar", "rcs", str(library), *objects])

    def call(self, command):
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
        if done.returncode != 0:
            with self.log.open("a") as log:
                log.write(" ".join(command) + "\n" + done.stderr[:2000] + "\n")
        return done.returncode == 0

    def flags(self, name):
        value = " ".join(self.variables.get(key, "") for key in
                         (f"CFLAGS-{name}.c", f"CFLAGS-{name}.o", f"LDFLAGS-{name}", f"LDLIBS-{name}"))
        return [word for word in value.split() if "$(" not in word and not word.startswith("-Werror")]

    def modules(self, name):
        """The shared objects that the makefiles name beside a test: built as TEST*mod*.so from the file of that name."""
        made = []
        for path in sorted({p for folder in FOLDERS for p in (self.tree / folder).glob(f"{name}*mod*.c")}):
            out = self.build / f"{path.stem}.so"
            if not self.call(["gcc", *self.options(path), *self.flags(path.stem + ".so"), "-fPIC", "-shared",
                              f"-Wl,-soname,{out.name}", str(path), "-o", str(out)]):
                return None
            made.append(out)
        return made

    def compile(self, name, source):
        """The program, or None."""
        out = self.build / name
        if out.exists():
            return out
        if self.modules(name) is None:
            return None
        linked = [str(self.build / module) for module in re.findall(
            rf"objpfx\){re.escape(name)}: \$\(objpfx\)(\S+\.so)", self.makefiles()) if (self.build / module).exists()]
        beside = [source.with_name(f"{each}.c") for rest in re.findall(
            rf"objpfx\){re.escape(name)}:(.*)", self.makefiles()) for each in re.findall(r"objpfx\)(\S+)\.o\b", rest)]
        compiler = "g++" if source.suffix == ".cc" else "gcc"
        good = self.call([compiler, *self.options(source), *self.flags(name), "-pthread", str(source),
                          *map(str, beside), "-o", str(out), str(self.build / "libsupport.a"), *linked,
                          f"-Wl,-rpath,{self.build}", "-lrt", "-ldl", "-lm", "-lanl", *(["-lstdc++"] if linked else [])])
        return out if good else None

    def makefiles(self):
        return "".join((self.tree / f / "Makefile").read_text().replace("\\\n", " ") for f in FOLDERS)

    def call_of(self, name, program):
        """(command, environment); None where the makefiles name what only glibc's build has."""
        def filled(text):
            text = text.replace("$(host-test-program-cmd)", str(program)).replace("$(objpfx)", f"{self.build}/")
            return text.replace("$(tst-cancel7-ARGS)", f'--command "exec {program}"')

        arguments = filled(self.variables.get(f"{name}-ARGS", ""))
        environment = filled(self.variables.get(f"{name}-ENV", ""))
        if "$(" in arguments + environment:
            return None
        words = [a or b for a, b in re.findall(r'"([^"]*)"|(\S+)', arguments)]
        return [str(program), *words], dict(part.split("=", 1) for part in environment.split() if "=" in part)

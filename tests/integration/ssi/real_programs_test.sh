#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Debian's own programs, unmodified: the same bytes as natively, with their threads on two nodes, or at home where all that
# they start must work as always.
# shellcheck source-path=SCRIPTDIR source=ssi.bash
source "$(dirname "$0")/ssi.bash"
# shellcheck source=programs.bash
source "$(dirname "$0")/programs.bash"
"$sc" up || { fail "the nodes come up" && finish; }
export limit=240

# 8 MB that compress, but not to nothing.
data=$work/data
python3 - "$data" <<'PY'
import random, sys
r = random.Random(7)
words = [bytes(r.choices(b"etaoinshrdlucmfwypvbgkjqxz", k=r.randint(2, 9))) for _ in range(5000)]
with open(sys.argv[1], "wb") as f:
    while f.tell() < 8_000_000:
        f.write(b" ".join(r.choices(words, k=500)) + b"\n")
PY
cp "$data" "$work/raw.yuv" && truncate -s 1152000 "$work/raw.yuv"
seq 1 100000 | awk '{print ($1 * 7919) % 100003, "line", $1}' >"$work/lines"
chmod 644 "$work"/*

# A scene with enough to do for two threads.
cat >"$work/scene.dat" <<'SCENE'
Begin_Scene
Resolution 160 120
Camera
  Zoom 1.0 Aspectratio 1.0 Antialiasing 2 Raydepth 5
  Center 0.0 0.0 -7.0 Viewdir 0.0 0.0 1.0 Updir 0.0 1.0 0.0
End_Camera
Light Center -4.0 3.0 -4.0 Rad 0.2 Color 0.8 0.8 0.8
Sphere Center 0.0 0.0 0.0 Rad 1.2
  Texture Ambient 0.1 Diffuse 0.6 Specular 0.1 Opacity 1.0 Color 1.0 0.2 0.1 TexFunc 0
Sphere Center 1.8 0.6 0.8 Rad 0.9
  Texture Ambient 0.1 Diffuse 0.4 Specular 0.5 Opacity 1.0 Color 0.2 0.4 1.0 TexFunc 0
Plane Center 0.0 -1.5 0.0 Normal 0.0 1.0 0.0
  Texture Ambient 0.1 Diffuse 0.8 Specular 0.1 Opacity 1.0 Color 0.7 0.7 0.7 TexFunc 0
End_Scene
SCENE
same "xz -T2" 'xz -0 -T2 --block-size=2MiB -c data'
same "pigz" 'pigz -p 3 -1 -n -c data'
same "zstd -T3" 'zstd -q -T3 -3 -c data'
same "7z" '7z a -bd -bso0 -bsp0 -mmt=2 -mx=1 -so -txz -si dummy < data'
same "pbzip2" 'pbzip2 -p2 -1 -c data'
same "lbzip2" 'lbzip2 -n 2 -1 -c data'
same "plzip" 'plzip -n 2 -0 -c data'
same "x264" 'x264 --quiet --threads 2 --input-res 160x120 --demuxer raw -o /dev/stdout --muxer raw raw.yuv 2>/dev/null'
same "python3 threads" 'python3 -c "
import threading, hashlib
results = {}
def work(i): results[i] = hashlib.sha256(bytes(range(256)) * 20000 * (i + 1)).hexdigest()
threads = [threading.Thread(target=work, args=(i,)) for i in range(3)]
[t.start() for t in threads]; [t.join() for t in threads]
print(sorted(results.items()))"'
same "tachyon" 'tachyon scene.dat -numthreads 2 -res 800 600 -o picture >/dev/null 2>&1; cat picture'

equal "sort --parallel is taken home and sorts" "$(sort --parallel=2 -S 40M -n "$work/lines" | md5sum)" \
    "$(home ssi run sort --parallel=2 -S 40M -n "$work/lines" | md5sum)"

cat >"$work/Makefile" <<'MK'
all: program
%.c: ; printf 'int $*(void) { return %d; }' $$(echo $* | wc -c) > $@
main.c: ; printf '#include <stdio.h>\nint a(void), bb(void), ccc(void);\nint main(void) { printf("%%d\\n", a() + bb() + ccc()); }' > $@
program: main.o a.o bb.o ccc.o ; $(CC) $^ -o $@
MK
at_home "make -j3" 'rm -f *.o *.c program; make -s -j3 && ./program'
at_home "GNU parallel" 'parallel -j2 echo {} ::: 1 2 3 | sort'
at_home "python3 multiprocessing" 'python3 -c "import multiprocessing as m; print(m.Pool(3).map(abs, range(-5, 5)))"'
at_home "sqlite3" 'rm -f db; sqlite3 db "create table t(x); insert into t values (1), (2), (3); select sum(x) from t;"'
at_home "an exit status" 'exit 7' && home ssi run sh -c 'exit 7'
equal "a program's exit status is that of ssi run" 7 $?

finish

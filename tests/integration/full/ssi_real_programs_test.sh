#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What takes longer of Debian's own programs: language runtimes with threads on two nodes, and a package that is built, a
# server that is debugged, a database that is tested at home.
# shellcheck source-path=SCRIPTDIR source=../ssi/ssi.bash
source "$(dirname "$0")/../ssi/ssi.bash"
# shellcheck source=../ssi/programs.bash
source "$(dirname "$0")/../ssi/programs.bash"
"$sc" up || { fail "the nodes come up" && finish; }
export limit=600

cat >"$work/sums.go" <<'GO'
package main

import (
	"fmt"
	"runtime"
	"sync"
)

func main() {
	runtime.GOMAXPROCS(3)
	sums := make([]uint64, 6)
	var group sync.WaitGroup
	for i := range sums {
		group.Add(1)
		go func(i int) {
			defer group.Done()
			kept := map[uint64]uint64{}
			x := uint64(i + 1)
			for n := 0; n < 300000; n++ {
				x = x*6364136223846793005 + 1442695040888963407
				kept[x>>54] += x >> 33
				sums[i] += kept[x>>55]
			}
		}(i)
	}
	group.Wait()
	fmt.Println(sums)
}
GO
cat >"$work/Sums.java" <<'JAVA'
import java.util.concurrent.*;
import java.util.*;

public class Sums {
    public static void main(String[] words) throws Exception {
        ExecutorService pool = Executors.newFixedThreadPool(3);
        List<Future<Long>> parts = new ArrayList<>();
        for (int i = 0; i < 6; i++) {
            final long begin = i;
            parts.add(pool.submit(() -> {
                long x = begin + 1, sum = 0;
                HashMap<Long, Long> kept = new HashMap<>();
                for (int n = 0; n < 200000; n++) {
                    x = x * 6364136223846793005L + 1442695040888963407L;
                    kept.merge(x >>> 54, 1L, Long::sum);
                    sum += kept.get(x >>> 54);
                }
                return sum;
            }));
        }
        for (Future<Long> part : parts) System.out.println(part.get());
        pool.shutdown();
    }
}
JAVA
cat >"$work/fib.c" <<'C'
#include <stdio.h>
static int fib(int n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }
int main(void) { printf("%d\n", fib(10)); return 0; }
C
check "a Go program compiles" env -C "$work" HOME="$work" GOCACHE="$work/go" GO111MODULE=off go build -o sums sums.go
check "a Java program compiles" javac -d "$work" "$work/Sums.java"
check "a C program compiles" gcc -g -O0 -o "$work/fib" "$work/fib.c"
chmod -R a+rX "$work"

same "a Go program" './sums'
same "a Java program" 'java -XX:-UsePerfData -Xmx64m -Xshare:auto -cp . Sums'
same "octave with OpenBLAS" 'OPENBLAS_NUM_THREADS=2 octave-cli -q --no-init-file --no-history --eval "
rand(\"twister\", 7); a = rand(400); b = a * a; x = b \\ a; printf(\"%.9e %.9e\n\", sum(b(:)), sum(abs(x(:))));"'
awk 'BEGIN {for (i = 1; i <= 150000; ++i) print (i * 7919) % 150011, "line", i}' >"$work/lines"
same "sort --parallel" 'sort --parallel=2 -S 40M -n lines'
same "redis with I/O threads" 'redis-server --port 11991 --bind 127.0.0.1 --save "" --io-threads 3 --io-threads-do-reads yes --daemonize no >/dev/null & server=$!
for try in $(seq 300); do redis-cli -p 11991 ping >/dev/null 2>&1 && break; sleep 0.1; done
seq 2000 | awk "{print \"SET k\" \$1 \" \" \$1 * 7919; print \"INCRBY sum \" \$1}" | redis-cli -p 11991 | md5sum
redis-benchmark -p 11991 -c 30 -n 3000 -P 4 -q -t incr >/dev/null
redis-cli -p 11991 get sum; redis-cli -p 11991 get counter:__rand_int__; redis-cli -p 11991 shutdown nosave; wait $server'

at_home "python3 multiprocessing with shared memory" 'python3 -c "
import multiprocessing as m
def add(v):
    for _ in range(200):
        with v.get_lock(): v.value += 1
v = m.Value(\"i\", 0); p = [m.Process(target=add, args=(v,)) for _ in range(3)]
[x.start() for x in p]; [x.join() for x in p]; print(v.value)"'
gdb='gdb -q -batch -nx -ex "break fib if n == 1" -ex run -ex bt -ex delete -ex continue ./fib'
equal "gdb works as natively under ssi run --home" "$(cd "$work" && bash -c "$gdb" 2>&1 | grep '^#')" \
    "$(home ssi run --home bash -c "cd $work && $gdb" 2>&1 | grep '^#')"

# Debian's own source of a small package, compiled and tested by its own makefile.
if (cd "$work" && apt-get source -qq --download-only bzip2 >/dev/null 2>&1); then
    mkdir "$work/package" && tar -xf "$work"/bzip2_*.orig.tar.* -C "$work/package" --strip-components=1
    at_home "make -j of a package and its tests" \
        'cd package && make clean >/dev/null && make -j3 >/dev/null 2>&1; make -s check 2>&1 | grep -v "^Doing\|^If\|real\|user\|sys" | tail -8; md5sum < bzip2'
else
    echo "# no sources of Debian packages can be had here (deb-src): make of a package is left out"
fi
finish

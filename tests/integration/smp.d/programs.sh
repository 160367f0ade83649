#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# programs.sh THREADS: in a folder with ep and omp_matrix of tests/ssi/programs, runs what people run on machines with
# many CPUs. The output depends on nothing but the programs: here and on a host it is the same.
threads=$1
cd "$(dirname "$0")" || exit 1
export OMP_NUM_THREADS=$threads

echo "== ep"
./ep S "$threads"
echo "== matrix"
./omp_matrix 400
echo "== xz"
seq 1 700000 >numbers
xz "-T$threads" --block-size=512KiB -c -k numbers | sha256sum
echo "== python threads"
python3 -c "
import hashlib, threading, zlib
results = [None] * $threads
def work(me):
    data = bytes((me * 7 + i * i) & 255 for i in range(4096)) * 64
    packed = zlib.compress(data, 9)
    digest = hashlib.sha256()
    for turn in range(8):
        digest.update(data)
    results[me] = (len(packed), digest.hexdigest())
threads = [threading.Thread(target=work, args=(me,)) for me in range($threads)]
for thread in threads: thread.start()
for thread in threads: thread.join()
for result in results: print(*result)
"
echo "== python processes"
python3 -c "
import multiprocessing
def work(number): return sum(i * i % number for i in range(20000))
if __name__ == '__main__':
    with multiprocessing.Pool($threads) as pool: print(pool.map(work, range(1, 3 * $threads)))
"
echo "== make"
rm -rf project && mkdir project && cd project || exit 1
for unit in 1 2 3 4 5 6 7 8; do
    printf 'int unit%d(int x) { for (int i = 0; i < 1000; ++i) x = x * 31 + i * %d; return x; }\n' $unit $unit >unit$unit.c
done
printf '#include <stdio.h>\n' >main.c
printf 'int unit%d(int);\n' 1 2 3 4 5 6 7 8 >>main.c
printf 'int main(void) { unsigned x = 1;\n' >>main.c
printf 'x = (unsigned)unit%d((int)x);\n' 1 2 3 4 5 6 7 8 >>main.c
printf 'printf("%%u\\n", x); }\n' >>main.c
printf 'objects = main.o unit1.o unit2.o unit3.o unit4.o unit5.o unit6.o unit7.o unit8.o\nprogram: $(objects)\n\t@gcc -o $@ $^\n%%.o: %%.c\n\t@gcc -fwrapv -O1 -c -o $@ $<\n' >Makefile
make -s "-j$threads" && ./program
cd ..
echo "== sqlite"
rm -f data.db
sqlite3 data.db "
create table points(id integer primary key, x integer, y integer);
with recursive n(i) as (select 1 union all select i + 1 from n where i < 20000)
insert into points select i, i * 7919 % 10007, i * 104729 % 10009 from n;
create index by_x on points(x);
select count(*), sum(x * y % 97), max(y) from points where x between 100 and 9000;
pragma integrity_check;"
echo "== end"

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Looking at programs, and moving their threads, as users do it.
# shellcheck source-path=SCRIPTDIR source=ssi.bash
source "$(dirname "$0")/ssi.bash"
up --nodes 2 --runtime "$work/bin/ssi-runtime"
programs=$build/tests/ssi/programs
chmod 777 "$work"
# json FILE EXPRESSION: of the document d
json() { python3 -c "import json,sys; d=json.load(open(sys.argv[1])); print(eval(sys.argv[2]))" "$1" "$2"; }

# --- profile

home ssi profile --spread --json --output "$work/p" --trace "$work/t" "$programs/false_sharing" 200000000 >"$work/out"
equal "a profiled program's output is its own" "200000000 200000000" "$(<"$work/out")"
home ssi profile sh -c 'exit 7' 2>"$work/none"
equal "its exit status, too" 7 $?
shows "a program without threads is said to have none" 'no process had threads' "$(<"$work/none")"
home ssi profile --spread "$programs/false_sharing" 200000000 >/dev/null 2>"$work/text"
shows "the report says what CPU time each node gave" 'CPU time on node 1: [0-9.]+ s' "$(<"$work/text")"
shows "the report names a page that two threads wrote by its symbol" '^0x.* false +main::counters' "$(<"$work/text")"
shows "and the threads that write side by side in it" \
    'false sharing of 0x[0-9a-f]+: thread .* writes [a-zA-Z:()]*counters.*, thread .* writes [a-zA-Z:()]*counters' "$(<"$work/text")"
shows "forwarded calls are counted by name" '^madvise +[1-9]' "$(<"$work/text")"
equal "as JSON the report has the same process" false_sharing "$(json "$work/p" "d['processes'][0]['program']")"
equal "with CPU time on both nodes" "True True" "$(json "$work/p" "'%s %s' % tuple(n['seconds'] > 0 for n in d['processes'][0]['cpu'])")"
equal "the trace has faults of both threads, calls, recalls and moves" "call fault move recall" \
    "$(json "$work/t" "' '.join(sorted({e['cat'] for e in d['traceEvents'] if 'cat' in e}))")"
equal "each fault lasts, on the track of its thread" "True" \
    "$(json "$work/t" "all(e['ph'] == 'X' and e['dur'] >= 0 and e['tid'] > 0 for e in d['traceEvents'] if e.get('cat') == 'fault')")"
cp "$programs/false_sharing" "$work/bin/"
as_nobody ssi profile --spread --output "$work/n" false_sharing 100000 >/dev/null
shows "users profile their own programs" 'waited for pages' "$(<"$work/n")"
home ssi profile --output "$work/w" python3 -c '
import os, threading, time
thread = threading.Thread(target=time.sleep, args=(1,))
thread.start(); os.open("/etc/passwd", os.O_RDONLY | os.O_DIRECT); thread.join()'
shows "the report says when and why the threads were taken home" 'taken home after [0-9.]+ s: openat' "$(<"$work/w")"

# --- top

home ssi run --spread "$programs/false_sharing" 100000000000 >/dev/null &
away() { home ssi ps --json | python3 -c "import json,sys; print(*[p['pid'] for p in json.load(sys.stdin) if p['away'] > 0])"; }
check "ssi ps counts the threads that are away" within 20 eval '[[ -n $(away) ]]'
pid=$(away)
home ssi top --once --interval 2 >"$work/top"
shows "ssi top shows the program" "^$pid +root +false_sharing +1 " "$(<"$work/top")"
shows "its threads, of which one is on the other node" "^$pid/[0-9]+ +1 +[1-9]" "$(<"$work/top")"
shows "the page they fight for" '^0x[0-9a-f]+ .* false .*counters' "$(<"$work/top")"
home ssi top --once --json "$pid" >"$work/top.json"
equal "as JSON, too" "$pid True" "$(json "$work/top.json" "'%d %s' % (d[0]['pid'], d[0]['faults'] > 0)")"
shows "another user does not see it" 'no program of yours' "$(as_nobody ssi top --once --interval 0.1)"
check "nor by its number" fails_with "no process $pid of yours" as_nobody ssi top --once "$pid"

# --- move

first=$pid second=$(home ssi top --once --json "$pid" | python3 -c "import json,sys; print(*[t['tid'] for t in json.load(sys.stdin)[0]['threads'] if t['node'] == 1])")
equal "a thread moves home" "$pid/$second is on node 0" "$(home ssi move "$pid/$second" 0)"
equal "where ssi ps no longer counts it" "" "$(away)"
equal "and back, by the node's name" "$pid/$second is on node 1" "$(home ssi move "$second" "$(home ssi nodes --json | python3 -c "import json,sys; print(json.load(sys.stdin)[1]['name'])")")"
equal "the first thread moves as well" "$pid/$first is on node 1" "$(home ssi move "$pid/$first" 1)"
equal "all threads of a process move together" 3 "$(home ssi move "$pid" 1 | grep -c 'is on node 1')"
check "another user moves none" fails_with "no process $pid of yours" as_nobody ssi move "$pid" 0
check "a node that is not there is named" fails_with "there is no node '7'" home ssi move "$pid" 7
check "a thread that is not there is named" fails_with 'no process or thread' home ssi move 4194303 1
check "a process that is not under the engine is not moved" fails_with 'not started under ssi run' home ssi move $$ 1
home ssi move "$pid" 0 >/dev/null
check "the program goes on" kill -0 "$pid"
kill -KILL "$pid"
wait

home ssi run taskset -c 0 "$programs/false_sharing" 100000000000 >/dev/null &
there() { home ssi ps --json | python3 -c "import json,sys; print(*[p['pid'] for p in json.load(sys.stdin) if p['program'] == 'false_sharing' and p['threads'] > 2])"; }
check "a program that is bound to one node starts" within 20 eval '[[ -n $(there) ]]'
pid=$(there)
check "a thread that is bound elsewhere stays, and it is said" fails_with 'bound to CPUs of other nodes' home ssi move "$pid" 1
kill -KILL "$pid"
wait

# --- the words

for command in top profile move; do
    shows "ssi $command --help says how it is used" "^usage: ssi $command" "$(home ssi "$command" --help)"
done
check "a bad option is named" fails_with 'no option --bad' home ssi top --bad
check "a bad interval is named" fails_with "'0' is not a time" home ssi top --interval 0
check "a bad process is named" fails_with "'x' is not a process" home ssi move x 1
check "a file that cannot be written is named" fails_with '/none/f: No such file' home ssi profile --output /none/f true
check "programs are not looked at from another node" fails_with 'ask there' on_node 1 ssi top --once
finish

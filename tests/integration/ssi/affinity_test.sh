#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Programs see the CPUs of all nodes, and are where they ask to be.
# shellcheck source-path=SCRIPTDIR source=ssi.bash
source "$(dirname "$0")/ssi.bash"
up --nodes 2 --runtime "$work/bin/ssi-runtime"
programs=$build/tests/ssi/programs

equal "nproc counts the CPUs of all nodes" 2 "$(home ssi run nproc)"
equal "so it does for an unprivileged user" 2 "$(as_nobody ssi run nproc)"
equal "a language runtime counts them" "[0, 1]" "$(home ssi run python3 -c 'import os; print(sorted(os.sched_getaffinity(0)))')"
equal "a program that never leaves home has the home's CPUs" 1 "$(home ssi run --home nproc)"
shows "taskset shows the mask" 'mask: 3$' "$(home ssi run sh -c 'taskset -p $$')"
equal "a mask is kept by exec" 1 "$(home ssi run taskset -c 0 nproc)"
equal "a mask is inherited by children" 1 "$(home ssi run taskset -c 0 sh -c 'nproc; true')"
equal "a mask is not inherited by its setter's parent" 2 "$(home ssi run sh -c 'taskset -c 0 true; nproc')"
equal "a mask can be widened again" 2 "$(home ssi run taskset -c 0 taskset -c 0,1 nproc)"
check "a CPU that no node has is refused" fails_with 'Invalid argument' home ssi run taskset -c 2 true
check "a program without threads is not bound to a node where it is not" fails_with 'Invalid argument' home ssi run taskset -c 1 true
check "another user's process is not bound" fails_with 'not permitted' as_nobody ssi run taskset -cp 0 1
shows "a thread is on each CPU that it binds itself to" '^right 1 kept 1' "$(home ssi run --spread "$programs/affinity")"
"$sc" stop 1
within 20 node_is 1 down
equal "the CPUs of a node that is down are not there" 1 "$(home ssi run nproc)"
finish

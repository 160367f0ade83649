#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Programs under `ssi run` are entered by the runtime at exec, and do not notice.
# shellcheck source-path=SCRIPTDIR source=ssi.bash
source "$(dirname "$0")/ssi.bash"
up --nodes 1

check "a program is entered" home ssi run "${entered[@]}"
check "a program of an unprivileged user is entered" as_nobody ssi run "${entered[@]}"
chmod 700 "$test_runtime"
check "a user who cannot read the runtime is told so" fails_with 'ssi-test-runtime: Permission denied: install' \
    as_nobody ssi run true
chmod 755 "$test_runtime"
check "what a shell starts is entered" home ssi run sh -c "${entered[*]}; exit \$?"
check "a script is entered through its interpreter" home ssi run bash -c "echo '#!/bin/sh
${entered[*]}' >$work/script; chmod +x $work/script; $work/script"

home ssi run sh -c 'exit 7'
equal "the exit status is the program's" 7 $?
home ssi run sh -c 'kill -TERM $$'
equal "a signal that ends the program ends it" 143 $?
home ssi run no-such-program 2>/dev/null
equal "a program that is not found is status 127" 127 $?
home ssi run /etc/passwd 2>/dev/null
equal "a file that cannot be executed is status 126" 126 $?
equal "no process stays between" sh "$(home ssi run sh -c 'cat /proc/$$/comm')"
equal "no descriptor is left behind" "$(home ls /proc/self/fd | wc -l)" "$(home ssi run ls /proc/self/fd | wc -l)"
check "an inner ssi run is as none" home ssi run ssi run "${entered[@]}"

for way in thread vfork failing signals parallel killed stopped; do
    case $way in
    thread) sentence="a thread that is not the first can execute a program, with others running" ;;
    vfork) sentence="a vfork child is entered at its exec" ;;
    failing) sentence="an exec that fails fails as ever, and the next one is entered" ;;
    signals) sentence="signals that come during exec do no harm" ;;
    parallel) sentence="forty processes can execute at once" ;;
    killed) sentence="processes can be killed at any moment of an exec" ;;
    stopped) sentence="a process can be stopped and continued at any moment of an exec" ;;
    esac
    check "$sentence" home ssi run --home ssi-test-execs $way
done
for place in first middle half second last pie writable; do
    check "registers, code and memory are as after execve: entry point $place" home ssi run ssi-test-entry-$place
done
home ssi run ssi-test-entry-32
equal "a 32-bit program runs" 32 $?
check "a process that is traced by its parent runs" home ssi run ssi-test-execs traced

# Where the runtime's file cannot be reached the program starts without it.
mkdir "$work/root"
cp "$work/bin/ssi-test-entry-middle" "$work/root/program"
check "a program in a chroot without the runtime runs" home ssi run chroot "$work/root" /program
check "a program whose descriptors are used up runs" home ssi run bash -c "ulimit -n 3; exec $work/bin/ssi-test-entry-pie"
for kilobytes in 1000 1100 1200 1300 2000; do
    home ssi run bash -c "ulimit -v $kilobytes; exec $work/bin/ssi-test-entry-middle" >"$work/out" 2>&1
    # Less than one page left: the program is told so.
    if [[ $? -eq 0 || $(<"$work/out") == *"no memory"* ]]; then
        pass "a limit of $kilobytes KiB of address space is kept"
    else
        fail "a limit of $kilobytes KiB of address space is kept" "$(<"$work/out")"
    fi
done

home ssi run sleep 60 &
within 10 eval 'home ssi ps | grep -q sleep'
shows "ssi ps shows the program" '^[0-9]+ +root +sleep +1 +0$' "$(home ssi ps)"
lacks "ssi ps shows nobody else's programs" sleep "$(as_nobody ssi ps)"
kill %1
wait

cp "$test_runtime" "$work/other" && mv "$work/other" "$test_runtime"
check "a program starts when the runtime's file was replaced" home ssi run true
check "it is not entered then" fails_with '' home ssi run "${entered[@]}"
shows "the log says so" 'has changed' "$("$sc" log 0)"
finish

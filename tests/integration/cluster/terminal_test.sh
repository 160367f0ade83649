#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Interactive jobs: salloc's shell and `srun --pty` in a VM, with a real terminal, driven as a person would.
# shellcheck source=tests/integration/session.bash
source "$(dirname "$0")/../session.bash"

# typed NAME <<script: an expect(1) session of alice's on the login host. It says "== WORD VALUE" about what it saw.
# The prompt is the shell's own, made unmistakable.
typed() {
    {
        cat <<'END'
set timeout 60
log_user 1
proc expected {what pattern} {
    expect -re $pattern { puts "\n== $what yes" } timeout { puts "\n== $what no"; exit 1 } eof { puts "\n== $what eof"; exit 1 }
}
END
        cat
    } >"$work/$1.exp"
    alice tee "$1.exp" <"$work/$1.exp" >/dev/null
    limit=120 alice env TERM=xterm expect "$1.exp" 2>&1
}
saw() { shows "$1" "^== $2" "$output"; }

output=$(
    typed salloc <<'END'
set stty_init "rows 33 columns 101"
spawn salloc --vm-cluster -N1
expected prompt {[$#] $}
send "PS1='ready''> '; hostname; tty\r"
expected vm0 {\nvm0\r}
expected tty {\n/dev/pts/[0-9]+\r}
expected ps1 {ready> $}
send "stty size\r"
expected size {\n33 101\r}
expected again {ready> $}
stty rows 44 columns 122 < $spawn_out(slave,name)
set timeout 2
for {set asked 0} {$asked < 30} {incr asked} {
    send "stty size\r"
    expect -re {\n44 122\r} { puts "\n== resized yes"; break } eof { puts "\n== resized eof"; exit 1 } timeout {}
}
set timeout 60
expected again {ready> $}
send "sh -c 'echo it; exec sleep 600'\r"
expected began {\nit\r}
send "\003"
expected interrupted {ready> $}
send "echo status \$?\r"
expected status {\nstatus 130\r}
expected again {ready> $}
send "sh -c 'echo it; exec cat'\r"
expected began {\nit\r}
send "to cat\r"
expected echo {to cat\r\n.*to cat\r\n}
send "\004"
expected eof {ready> $}
send "sleep 500 &\r"
expected background {ready> $}
send "jobs; kill %1\r"
expected jobs {Running +sleep 500}
send "\r"
expected again {ready> $}
send "exit 5\r"
expect eof
puts "== exit [lindex [wait] 3]"
END
)
saw "salloc --vm-cluster gives a shell" 'prompt yes'
saw "in vm0" 'vm0 yes'
saw "with a terminal" 'tty yes'
saw "of the window's size" 'size yes'
saw "which follows the window" 'resized yes'
saw "^C ends the command and not the shell" 'interrupted yes'
saw "the command ended by SIGINT" 'status yes'
saw "a program reads what is typed" 'echo yes'
saw "^D is the end of its input" 'eof yes'
saw "job control works" 'jobs yes'
saw "the shell's exit is salloc's" 'exit 5'

output=$(
    typed pty <<'END'
set stty_init "rows 30 columns 90"
spawn srun --vm-cluster -N1 --pty bash --norc
expected prompt {[$#] $}
send "stty size; tty\r"
expected size {\n30 90\r}
expected tty {\n/dev/pts/[0-9]+\r}
send "sh -c 'trap \"echo got INT; exit\" INT; echo it; while :; do sleep 1; done'\r"
expected began {\nit\r}
send "\003"
expected trap {\ngot INT\r|\^Cgot INT\r}
send "exit 3\r"
expect eof
puts "== exit [lindex [wait] 3]"
END
)
saw "srun --pty gives a shell" 'prompt yes'
saw "of the window's size" 'size yes'
saw "with a terminal" 'tty yes'
saw "^C reaches the shell's trap" 'trap yes'
saw "its exit is srun's" 'exit 3'

nothing_is_left "interactive jobs"
finish

# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# A job of three VMs on three nodes with room for a second VM on each. Its script counts, in vm0, and sends a chain of
# hashes to vm1 over TCP: a byte that is lost, sent twice or changed breaks the chain, a line that is lost shows in the
# output. For sessions that have sourced session.bash.

out=/shared/migrate.$$
alice mkdir "$out"
clean_up() {
    on ctl scancel -u alice
    alice rm -rf "$out" .holon migrate.qcow2
    rm -rf "$work"
}
trap clean_up EXIT

said() { alice cat "$out/$1" 2>/dev/null; }
count() { said "$1" | grep -c '^[0-9]'; }
more_than() { [[ $(count "$1") -gt $2 ]]; }
goes_on() { within 60 more_than "$1" "$(($(count "$1") + 5))"; }
# What the script has printed is 1, 2, 3 … without a gap.
exact() { said "$1" | grep '^[0-9]' | sed '$d' | awk '$1 != NR { exit 1 }'; }
# What vm1 has found right of the chain, and whether it found anything wrong.
links() { grep -c '^right' "$work/links"; }
more_links_than() { [[ $(links) -gt $1 ]]; }
stream_goes_on() { within 60 more_links_than "$(links)" && ! grep -q wrong "$work/links"; }
node_of() { alice holon status --job "$1" | awk -v vm="$2" '$2 == vm { print $3 }'; }
is_on() { [[ $(node_of "$1" "$2") == "$3" ]]; }
# refused SENTENCE REGEX ARGUMENTS…: holon migrate says so in one line, and fails.
refused() {
    local said
    if said=$(alice holon migrate "${@:3}" 2>&1); then
        fail "$1" "it was done: $said"
    else
        shows "$1" "$2" "$(grep '^holon migrate' <<<"$said")"
    fi
}


alice tee chain.sh >/dev/null <<'JOB'
#!/bin/sh
chain() {
    i=0
    while :; do
        i=$((i + 1))
        link=$(echo "$link $i" | sha256sum | cut -d' ' -f1)
        echo "$i $link"
    done
}
{
    until chain | nc vm1 7000 2>/dev/null; do sleep 0.2; done
    echo "the stream ended" >&2
} &
n=0
while :; do
    n=$((n + 1))
    echo $n
    sleep 0.1
done
JOB
alice tee links.sh >/dev/null <<'JOB'
#!/bin/sh
sleep 100000 | nc -l -p 7000 | { # it ends with its input
    i=0
    while read -r number hash; do
        i=$((i + 1))
        link=$(echo "$link $i" | sha256sum | cut -d' ' -f1)
        if [ "$number $hash" = "$i $link" ]; then echo "right $i"; else echo "wrong $i: $number $hash"; fi
    done
    echo "wrong: the stream ended after $i"
}
JOB
start() { submit --vm-cluster -N3 -n3 --mem=900 --vm-mem=200 -o "$out/$1" "${@:2}" chain.sh; }
# Sets $job; vm1 takes the chain.
begin() {
    job=$(start moves "$@")
    check "a job counts" goes_on moves
    alice sh -c "srun --jobid=$job -w n2 -N1 -n1 sh -c \"\$(cat links.sh)\"" >"$work/links" 2>"$work/links.err" &
    check "a stream of hashes goes from vm0 to vm1" stream_goes_on
}
# Each end of the stream moves and comes back.
back_and_forth() {
    local way
    for way in vm0:n2 vm1:n3 vm0:n1 vm1:n2; do
        check "$1: ${way%:*} moves to ${way#*:}" alice holon migrate "$job:${way%:*}" --to "${way#*:}"
        check "it is there" within 10 is_on "$job" "${way%:*}" "${way#*:}"
        check "the stream goes on" stream_goes_on
    done
}

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What is typed wrong is told from what cannot be done: exit status 2 and one line that names what was not understood
# and where to read on. No node is needed for that.
# shellcheck source-path=SCRIPTDIR source=../session.bash
source "$(dirname "$0")/../session.bash"
build=${HOLON_BUILD:-$top/build/release}
PATH=$build/ssi/cli:$build/ssi/daemon:$PATH
SSI_PARTITION=none-of-this-name
export SSI_PARTITION

# refused NAMED CMD…: with status 2 and one line that has NAMED and points to the help.
refused() {
    local output status=0
    output=$(timeout 60 "${@:2}" 2>&1 >/dev/null </dev/null) || status=$?
    [[ $status == 2 && $output != *$'\n'* && $output == *"$1"* && $output == *--help* ]] && return
    echo "status $status: $output"
    return 1
}

for command in run nodes ps top profile move; do
    check "ssi $command: an unknown option" refused "--nonsense" ssi "$command" --nonsense
done
for command in run profile; do
    check "ssi $command: no program" refused "no program" ssi "$command"
    check "ssi $command: no program behind --" refused "no program" ssi "$command" --
done
check "ssi run: what excludes each other" refused "--spread or --home" ssi run --spread --home true
for command in nodes ps; do
    check "ssi $command: a word too much" refused "'word'" ssi "$command" --json word
done
check "ssi top: no process" refused "'word'" ssi top word
check "ssi top: a number too small" refused "'0.01'" ssi top --interval 0.01
check "ssi top: no number" refused "--pages" ssi top --pages
check "ssi profile: no number" refused "'many'" ssi profile --pages many true
check "ssi profile: no value" refused "--output" ssi profile --output
check "ssi move: nothing" refused "a node" ssi move
check "ssi move: no process" refused "'word'" ssi move word 1
check "ssi move: no thread" refused "'x'" ssi move 1/x 1
check "ssi move: an unknown option behind the process" refused "--nonsense" ssi move 1 --nonsense
check "ssi move: a word too much" refused "'2'" ssi move 1 1 2

good=(--listen 127.0.0.1 --key /nowhere)
check "ssid: an unknown option" refused "--nonsense" ssid "${good[@]}" --nonsense
check "ssid: a word too much" refused "'word'" ssid "${good[@]}" word
check "ssid: no address" refused "--listen" ssid --key /nowhere
check "ssid: no key" refused "--key" ssid --listen 127.0.0.1
check "ssid: no number" refused "--cpus" ssid "${good[@]}" --cpus many
check "ssid: a number too large" refused "--cpus" ssid "${good[@]}" --cpus 5000
check "ssid: a time too short" refused "--timeout" ssid "${good[@]}" --timeout 0
check "ssid: no name" refused "'a b'" ssid "${good[@]}" --name "a b"

# Not understood, but of no command that has a help of its own.
unknown() {
    local output status=0
    output=$(ssi "$@" 2>&1 >/dev/null) || status=$?
    [[ $status == 2 && $output == *"'nonsense'"* && $output != *$'\n'* ]] || { echo "status $status: $output" && return 1; }
}
check "an unknown command" unknown nonsense
check "help for an unknown command" unknown help nonsense
# Understood, but there is no such node.
no_daemon() {
    local status=0
    ssi nodes >/dev/null 2>&1 || status=$?
    [[ $status == 1 ]]
}
check "what was understood and cannot be done has status 1" no_daemon
for command in run nodes ps top profile move; do
    check "ssi $command --help is none of these" ssi "$command" --help
done
finish

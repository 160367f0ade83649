#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# usage: tests/documents_test.sh BUILD
#
# What the documents say against what was built: manual pages name every command and option that the programs' own
# help names, and no link or path in a document leads nowhere.
set -uo pipefail
build=$1
cd "$(dirname "$0")/.." || exit 1
failures=0

complain() {
    echo "not ok - $*"
    failures=$((failures + 1))
}

# page_has_options PAGE PROGRAM [COMMAND…]: the options that its --help lists.
page_has_options() {
    local page=$1 help option
    help=$("${@:2}" --help 2>&1) || complain "${*:2} --help fails: $help"
    for option in $(grep -oE '(^| |\[)--[a-z][a-z-]+' <<<"$help" | tr -d ' [' | sort -u); do
        case $option in --help | --version) continue ;; esac
        grep -qE "(Fl|\|) -${option#--}( |\$)" "$page" || complain "$page lacks $option of ${*:2}"
    done
}

# page_has_commands PAGE PROGRAM: the commands that its help lists.
page_has_commands() {
    local page=$1 name
    for name in $("$2" help | sed -n '/^Commands:/,/^$/s/^  \([a-z]*\) .*/\1/p'); do
        grep -qE "^\.(It )?Cm $name( |\$)" "$page" || complain "$page lacks the command $name"
    done
}

holon=$build/cli/holon ssi=$build/ssi/cli/ssi
page_has_commands docs/man/holon.1 "$holon"
for command in status console place doctor; do page_has_options docs/man/holon.1 "$holon" "$command"; done
for command in list inspect build import rm; do page_has_options docs/man/holon.1 "$holon" image "$command"; done
page_has_options docs/man/holond.8 "$build/plugins/node/holond"
page_has_commands docs/man/ssi.1 "$ssi"
for command in run nodes ps top profile move; do page_has_options docs/man/ssi.1 "$ssi" "$command"; done
page_has_options docs/man/ssid.8 "$build/ssi/daemon/ssid"

# [text](target), relative to the document.
while IFS=: read -r document target; do
    target=${target#*](}
    target=${target%)}
    target=${target%%#*}
    [[ -z $target || $target == http* || -e $(dirname "$document")/$target ]] ||
        complain "$document: there is no $target"
done < <(git ls-files '*.md' | xargs grep -oE '\]\([^) ]+\)' /dev/null)

# `folder/file` of this tree. Others have a wildcard, a placeholder in capitals, or are made by the build.
folders=$(git ls-files | sed -n 's,/.*,,p' | sort -u | paste -sd '|')
while IFS=: read -r document path; do
    path=${path//\`/}
    path=${path%/}
    [[ -e $path ]] || complain "$document: there is no $path"
done < <(git ls-files '*.md' | xargs grep -oE "\`($folders)/[a-z0-9_./-]*\`" /dev/null)

[[ $failures -eq 0 ]] && echo "ok - the documents name what is there"
exit $((failures > 0))

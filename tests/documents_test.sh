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
for command in status console checkpoint migrate place doctor; do page_has_options docs/man/holon.1 "$holon" "$command"; done
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

# The guide has Debian 12's packages of all libraries that what is installed is linked with. Slurm, MUNGE and the compiler's
# own are on every host that has Slurm.
guide=$(<docs/admin-guide.md)
installed=("$holon" "$ssi" "$build"/plugins/node/holond "$build"/ssi/daemon/ssid "$build"/spank/run/holon-run
    "$build"/plugins/checkpoint/holon-checkpoint "$build"/spank/spank_holon.so "$build"/plugins/job_submit/job_submit_holon.so)
if grep -q bookworm /etc/os-release && [[ ! $(ldd "$holon") =~ asan ]]; then
    for library in $(objdump -p "${installed[@]}" | sed -n 's/^ *NEEDED *//p' | sort -u); do
        package=$(dpkg-query -S "*/$library" 2>/dev/null | sed -n '1s/:.*//p')
        case $package in libc6 | libstdc++6 | libgcc-s1 | libmunge2) continue ;; esac
        [[ -n $package && " $guide " =~ [[:space:]]"$package"[[:space:]] ]] || complain "docs/admin-guide.md lacks the package of $library: $package"
    done
fi

[[ $failures -eq 0 ]] && echo "ok - the documents name what is there"
exit $((failures > 0))

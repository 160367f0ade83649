# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# What the sessions on a virtual SMP of namespaces share. A test sources it, brings nodes up (up …), speaks as users do
# (home ssi run …), states what must hold (check, shows, equal), and ends with `finish`; the nodes go then.
# shellcheck source-path=SCRIPTDIR source=../session.bash
source "$(dirname "${BASH_SOURCE[0]}")/../session.bash"

build=${HOLON_BUILD:-$top/build/release}
export HOLON_BUILD=$build HOLON_SSI_CLUSTER=${HOLON_SSI_CLUSTER:-ssitest}
sc=$top/scripts/ssi-cluster
programs=$build/tests/integration/ssi.d
# shellcheck disable=SC2034 # for the tests
state=/run/holon-cluster-$HOLON_SSI_CLUSTER
nobody=65534

# Any user must be able to run what the tests run, wherever the tree lies.
chmod 755 "$work"
mkdir "$work/bin"
cp "$build/ssi/cli/ssi" "$build/ssi/runtime/ssi-runtime" "$programs"/ssi-test-* "$work/bin/"
test_runtime=$work/bin/ssi-test-runtime

trap '"$sc" down; rm -rf "$work"' EXIT
"$sc" down

# up [ssi-cluster options…]: with the test's runtime, which starts programs and does nothing else.
up() { "$sc" up --runtime "$test_runtime" "$@" || { fail "the nodes come up" && finish; }; }
on_node() { timeout "${limit:-60}" "$sc" run "$1" env PATH="$work/bin:$PATH" "${@:2}"; }
home() { on_node 0 "$@"; }
as_nobody() { home setpriv --reuid $nobody --regid $nobody --clear-groups "$@"; }
# Ends with 0 when a runtime is in it.
# shellcheck disable=SC2034
entered=(grep -q ^7e8000100000 /proc/self/maps)
# The state of node K as node 0 has it.
node_state() { home ssi nodes --json | python3 -c "import json,sys; print(*[n['state'] for n in json.load(sys.stdin) if n['node']==$1])"; }
node_is() { [[ $(node_state "$1") == "$2" ]]; }
# fails_with REGEX CMD…: CMD must fail, saying so.
fails_with() {
    local output
    if output=$("${@:2}" 2>&1); then
        echo "it succeeded: $output"
        return 1
    fi
    grep -qE -- "$1" <<<"$output" || { echo "$output" && return 1; }
}

# shellcheck shell=bash
# shellcheck disable=SC2154 # cluster.sh sets them.
# What the scripts share that check something in a running cluster. Sourced after cluster.sh, never run.

inside() { "$here/exec" "$@"; }
kubectl() { inside kubectl "$@"; }

passed=0
# check WHAT SECONDS COMMAND…
check() {
    local what=$1 seconds=$2
    shift 2
    wait_for "$seconds" "$what" "$@"
    passed=$((passed + 1))
    say "$what"
}

condition() { kubectl get "$1" -o jsonpath="{.status.conditions[?(@.type=='$2')].status}"; }
condition_is() { [ "$(condition "$1" "$2")" = "$3" ]; }

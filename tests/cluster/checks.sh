# shellcheck shell=bash
# shellcheck disable=SC2154 # cluster.sh sets them.
# What the scripts share that check something in a running cluster. Sourced after cluster.sh, never run.

inside() { "$here/exec" "$@"; }
kubectl() { inside kubectl "$@"; }
# The chart has links to files that are used elsewhere, too.
helm() { inside helm "$@" 2> >(grep -v 'found symbolic link' >&2); }

# Nothing of whoever runs this, and nothing left with them.
export HELM_CACHE_HOME=$work/chart HELM_CONFIG_HOME=$work/chart HELM_DATA_HOME=$work/chart

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

# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # Others use what is set here; cluster.sh sets what is not.
# What the scripts share that look at an application named shop, its Rollout and its visitors. Sourced, never run: after
# cluster.sh, and after checks.sh where something is checked.

# shellcheck source=tests/cluster/programs.sh
source "$here/programs.sh"
# The application as the image of pods.
build_shop() { build_programs && "$here/image" tidegate.dev/shop:1 "$shop" >/dev/null; }

# The namespace that is looked at; whoever sources this sets it.
space=
of_space() { kubectl --namespace "$space" "$@"; }
status() { of_space get rollout shop -o jsonpath="{.status.$1}"; }
is_known() { [ -n "$(status stable)" ]; }
status_is() { [ "$(status "$1")" = "$2" ]; }
condition_says() { status "conditions[?(@.type=='$1')].message" | grep --quiet --fixed-strings -- "$2"; }
# command_ VERB: as somebody who may, under their own name.
command_() {
    of_space annotate --overwrite rollout shop "tidegate.dev/command=$1" "tidegate.dev/command-id=$EPOCHREALTIME" \
        "tidegate.dev/command-by=$(kubectl auth whoami -o jsonpath='{.status.userInfo.username}')" >/dev/null
}
cluster_ip() { of_space get service shop -o jsonpath='{.spec.clusterIP}'; }
gateway() { of_space get gateway web -o jsonpath='{.status.addresses[0].value}'; }
gateway_has_address() { [ -n "$(gateway)" ]; }
leader() { kubectl --namespace tidegate-system get lease tidegate-controller -o jsonpath='{.spec.holderIdentity}'; }
another_leads() { [ -n "$(leader)" ] && [ "$(leader)" != "$1" ]; }

# pods VERSION: name, whether it is ready, whether it has our gate, of those that stay.
pods() {
    of_space get pods --selector app=shop -o json | jq --raw-output --arg version "$1" '.items[] |
        select(.metadata.deletionTimestamp == null) |
        select([.spec.containers[].env[]? | select(.name == "SHOP_VERSION").value] == [$version]) |
        [.metadata.name, (.status.conditions[]? | select(.type == "Ready").status),
            ([.spec.readinessGates[]?.conditionType] | index("tidegate.dev/promoted") != null)] | @tsv'
}
# counts VERSION: how many pods are ready, and how many are not.
counts() { pods "$1" | awk '{n[$2]++} END {print n["True"] + 0, n["False"] + 0}'; }
counts_are() { [ "$(counts "$1")" = "$2" ]; }
all_gated() { [ -n "$(pods "$1")" ] && [ "$(pods "$1" | awk '$3 != "true"')" = "" ]; }
replicas_are() { [ "$(of_space get deployment "$1" -o jsonpath='{.spec.replicas}')" = "$2" ]; }
complete() { of_space rollout status "deployment/$1" --timeout=5s; }

# release VERSION [PART OF REQUESTS THAT FAIL]: in place.
release() { of_space set env deployment/shop "SHOP_VERSION=$1" "SHOP_FAILS=${2:-0}" >/dev/null; }
asks_for() {
    of_space get deployment shop -o jsonpath='{.spec.template.spec.containers[0].env}' | grep --quiet "\"value\":\"$1\""
}

# visitors ADDRESS SECONDS [RATE]: the requests by version, and the failed ones, as JSON.
visitors() { inside "$shop" visit --address "$1:80" --rate "${3:-50}" --seconds "$2" | tail -n 1; }
# share_is ADDRESS VERSION LEAST MOST: the version's part of requests, in percent.
share_is() {
    seen=$(visitors "$1" 4)
    share=$(jq --arg version "$2" '(.requests[$version] // 0) * 100 / ([.requests[]] | add)' <<<"$seen")
    jq --exit-status --null-input --argjson share "$share" "\$share >= $3 and \$share <= $4" >/dev/null
}
check_share() { # WHAT SECONDS ADDRESS VERSION LEAST MOST
    check "$1" "$2" share_is "${@:3}"
    say "    $(jq --raw-output '"\(.requests), failed \(.failed), visitors who changed \(.moved)"' <<<"$seen"): ${share%%.*} %"
}

# A crowd in the background, from which nobody may be lost.
crowd() { # ADDRESS [SECONDS OF PATIENCE [RATE]]
    lines=$(mktemp "$work/crowd-XXXXXX")
    "$here/exec" "$shop" visit --address "$1:80" --rate "${3:-30}" --patience "${2:-20}" >"$lines" &
    crowd=$!
    trap 'kill "$crowd" 2>/dev/null || true; rm -f "$lines"' EXIT
}
slowest() { jq --slurp '[.[].slowest_ms] | max' "$lines"; }
lost() { jq --slurp '[.[].failed[]] | add // 0' "$lines"; }
seen_at_all() { jq --slurp '[.[].requests[]] | add // 0' "$lines"; }
nobody_is_lost() {
    [ "$(lost)" = 0 ] || fail "$(lost) of $(seen_at_all) requests failed: $(jq -c .failed "$lines" | sort | uniq -c)"
    say "    $(seen_at_all) requests, none failed"
}

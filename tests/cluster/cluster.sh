# shellcheck shell=bash
# shellcheck disable=SC2034 # Others use what is set here.
# What the scripts beside this file share: names, paths, progress, and the ways into the cluster. Sourced, never run.

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
# Everything that is built, and everything that a running cluster writes.
work=$root/target/cluster
# Each work tree has a cluster of its own: a name of the machine's, as network namespaces and cgroups are.
name=tidegate-$(cksum <<<"$root" | cut -d' ' -f1)
# What answers in the namespace; config/ and certificates name the same addresses.
node_ip=10.250.0.1
# Debian keeps servers where an ordinary user does not look.
export PATH="$work/bin:$PATH:/usr/sbin:/sbin"
# kubectl remembers what an API server offers by its address, and every cluster here has the same one.
export KUBECACHEDIR=$work/kubectl

fail() {
    echo "$(basename "$0"): $*" >&2
    exit 1
}

# Another cluster is taken only by who names it here, or says here that the one he works with is meant.
case ${CLUSTER_USE_KUBECONFIG:-} in
'') ;;
yes) CLUSTER_KUBECONFIG=${CLUSTER_KUBECONFIG:-${KUBECONFIG:-}}
    [ -n "$CLUSTER_KUBECONFIG" ] || fail "CLUSTER_USE_KUBECONFIG=yes needs KUBECONFIG" ;;
*) fail "CLUSTER_USE_KUBECONFIG=$CLUSTER_USE_KUBECONFIG: not known; allowed: yes" ;;
esac

# A step's line carries the seconds since the script began.
begin=${EPOCHREALTIME/[.,]/}
say() {
    local tenths=$(((${EPOCHREALTIME/[.,]/} - begin) / 100000))
    printf '%4d.%d s  %s\n' $((tenths / 10)) $((tenths % 10)) "$*"
}

need_root() { [ "$(id -u)" = 0 ] || fail "needs root: it makes namespaces, mounts and cgroups"; }

# One script at a time changes the cluster. What is started in the background must close the descriptor: 9>&-.
lock() { # FILE
    mkdir -p "$work"
    exec 9>"$work/$1"
    flock --wait 600 9 || fail "another script holds $work/$1"
}

# Whether a process is there and more than an entry that its parent has yet to collect.
alive() { [ -d "/proc/$1" ] && ! grep -qs '^State:.*zombie' "/proc/$1/status"; }

# The process id, seen from here, of what is process 1 of the cluster; nothing when there is none.
node_pid() {
    local pid
    for pid in $(ip netns pids "$name" 2>/dev/null); do
        # A pod on the node's network has a process 1 too, one level deeper.
        if grep -qsE '^NSpid:\s+[0-9]+\s+1$' "/proc/$pid/status"; then
            echo "$pid"
            return
        fi
    done
}

# Runs a command where the node's own programs run: their network, mounts and processes.
on_node() {
    local pid
    pid=$(node_pid)
    [ -n "$pid" ] || fail "no cluster is running: tests/cluster/up"
    nsenter --target "$pid" --net --mount --pid -- "$@"
}

# Tries a command until it succeeds or the seconds are over. A node that has given up ends the wait at once.
wait_for() {
    local seconds=$1 what=$2 until
    shift 2
    until=$((EPOCHSECONDS + seconds))
    until "$@" >/dev/null 2>&1; do
        [ ! -s "$work/failed" ] || fail "$(cat "$work/failed")"
        [ "$EPOCHSECONDS" -lt "$until" ] || fail "not after $seconds s: $what; logs are in $work/log"
        sleep 0.2
    done
}

# Ends what is in the cluster's network namespace or cgroups, and removes both. Process 1 is in the namespace: the kernel
# ends every process of its cluster with it, and the mounts go with the last one. Needs no state, so it works after a crash.
remove_cluster() {
    local pid pids group deadline=$((EPOCHSECONDS + 60))
    while pids=$(ip netns pids "$name" 2>/dev/null || true; processes_in_cgroups) && [ -n "$pids" ]; do
        for pid in $pids; do
            # Not a shell that asks for this from inside.
            [ "$pid" = $$ ] || kill -KILL "$pid" 2>/dev/null || true
        done
        for pid in $pids; do
            while [ "$pid" != $$ ] && alive "$pid"; do
                [ "$EPOCHSECONDS" -lt "$deadline" ] || fail "process $pid does not end"
                sleep 0.02
            done
        done
    done
    for group in $(cgroups); do
        until rmdir "$group" 2>/dev/null || [ ! -d "$group" ]; do
            [ "$EPOCHSECONDS" -lt "$deadline" ] || fail "cannot remove $group"
            sleep 0.02
        done
    done
    [ ! -e "/run/netns/$name" ] || ip netns delete "$name"
    # Logs stay until the next start.
    rm -rf "${work:?}"/{var,pki,components,kubectl,kubeconfig,failed,ready}
}

# The cluster's cgroups, the innermost first, in every hierarchy (version 1) or the only one (version 2).
cgroups() { find /sys/fs/cgroup -mindepth 1 -depth -type d -path "*/$name*" 2>/dev/null || true; }

processes_in_cgroups() {
    local group
    for group in $(cgroups); do
        cat "$group/cgroup.procs" 2>/dev/null || true
    done
}

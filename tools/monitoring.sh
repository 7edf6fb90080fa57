#!/usr/bin/env bash
# Prints a folder with the definitions of PodMonitor and PrometheusRule, made from their Go types by controller-gen if
# they are not there yet; tools/monitoring/go.mod pins both.
#
# The chart's tests install them, so that the real API server judges what the chart renders for Prometheus. Made and not
# committed: a copy would be 10 000 lines of somebody else's, and nobody would see it age.

. "$(dirname "$(realpath "$0")")/cache.sh"

types=github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring
generator=sigs.k8s.io/controller-tools

# pinned PATH: its version in tools/monitoring/go.mod.
pinned() {
    sed -nE "s|^(require)?[[:space:]]+$1 (v[^ ]+).*|\2|p" "$tools/monitoring/go.mod"
}

home="$cache/monitoring-$(pinned "$types")-$(pinned "$generator")"
if [[ ! -d $home ]]; then
    program="$("$tools/go-tool.sh" controller-gen "$(pinned "$generator")" 30 monitoring "$generator/cmd/controller-gen")"
    go="$("$tools/go.sh" "$(sed -n 's/^go //p' "$tools/monitoring/go.mod")")"
    lock "$(basename "$home")"
fi
if [[ ! -d $home ]]; then
    say "making the definitions of PodMonitor and PrometheusRule, some seconds"
    rm -rf "$home.part" "$home.all"
    mkdir -p "$home.part"
    (
        cd "$tools/monitoring"
        # It asks the go on the PATH where the types are.
        export PATH="$(dirname "$go"):$PATH" GOFLAGS='-mod=readonly -modcacherw' GOTOOLCHAIN=local GOWORK=off
        "$program" crd "paths=$types/v1" "output:crd:dir=$home.all" >&2 9>&-
    )
    mv "$home.all"/monitoring.coreos.com_{podmonitors,prometheusrules}.yaml "$home.part/"
    rm -rf "$home.all"
    mv --no-target-directory "$home.part" "$home"
fi
printf '%s\n' "$home"

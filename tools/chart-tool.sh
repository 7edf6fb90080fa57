#!/usr/bin/env bash
# Prints the path of one of the Go programs that check the chart, its rules and its dashboard: helm, kubeconform or
# promtool, after making it if it is not there yet. Which version, says tools/NAME/go.mod.
#
# What is on the PATH is not taken: another version renders, judges and words its refusals differently.
# usage: chart-tool.sh NAME

. "$(dirname "$(realpath "$0")")/cache.sh"

# The module that holds each program, and what its build takes.
declare -A module=(
    [helm]=helm.sh/helm/v4 [kubeconform]=github.com/yannh/kubeconform [promtool]=github.com/prometheus/prometheus
)
declare -A seconds=([helm]=115 [kubeconform]=15 [promtool]=190)

name="${1:-}"
if [[ -z $name || ! -v module[$name] ]]; then
    give_up "usage: chart-tool.sh helm|kubeconform|promtool"
fi
version="$(sed -nE "s|^(require)?[[:space:]]*${module[$name]} (v[^ ]+).*|\2|p" "$tools/$name/go.mod")"
ldflags=
if [[ $name == helm ]]; then
    # Charts ask for it, and a chart's kubeVersion is judged by what helm was built for unless a cluster is asked.
    ldflags="-X helm.sh/helm/v4/internal/version.version=$version"
fi
"$tools/go-tool.sh" "$name" "$version" "${seconds[$name]}" "$name" "${module[$name]}/cmd/$name" "$ldflags"

#!/usr/bin/env bash
# Prints a folder that holds etcd, kube-apiserver, kube-controller-manager and kubectl, after making what is missing.
#
# Where each comes from, first that fits: KUBEBUILDER_ASSETS, the ecosystem's convention; the cache; a build from the
# published Go module at the version that tools/kubernetes/go.mod and tools/etcd/go.mod pin. A controller manager must
# not be newer than its API server, and the convention's folder usually lacks one: then the API server of that folder is
# taken only if it is at least as new as the pin.

. "$(dirname "$(realpath "$0")")/cache.sh"

# pinned MODULE PATH: the version of PATH in tools/MODULE/go.mod.
pinned() {
    sed -nE "s|^(require)?[[:space:]]+$2 (v[^ ]+).*|\2|p" "$tools/$1/go.mod"
}

kubernetes="$(pinned kubernetes k8s.io/kubernetes)"
etcd="$(pinned etcd go.etcd.io/etcd/server/v3)"
IFS=. read -r major minor _ <<<"${kubernetes#v}"

names=(kube-apiserver kube-controller-manager kubectl etcd)
declare -A version=([etcd]="$etcd") seconds=([kube-apiserver]=240 [kube-controller-manager]=70 [kubectl]=25 [etcd]=30)
declare -A program=()

if [[ -n ${KUBEBUILDER_ASSETS:-} ]]; then
    assets="$(realpath -e "$KUBEBUILDER_ASSETS" 2>/dev/null)" || give_up "KUBEBUILDER_ASSETS names no folder: $KUBEBUILDER_ASSETS"
    for name in "${names[@]}"; do
        if [[ -x $assets/$name ]]; then
            program[$name]="$assets/$name"
        fi
    done
    if [[ ! -v program[kube-apiserver] ]]; then
        unset 'program[kube-controller-manager]'
    elif [[ ! -v program[kube-controller-manager] ]]; then
        theirs="$("$assets/kube-apiserver" --version)"
        if ! is_at_least "$kubernetes" "${theirs##* }"; then
            say "$assets/kube-apiserver is ${theirs##* }, older than the controller manager $kubernetes: building both"
            unset 'program[kube-apiserver]'
        fi
    fi
fi

# Most of what the controller manager is made of was compiled for the API server, if that was built just before.
if [[ -v program[kube-apiserver] ]]; then
    seconds[kube-controller-manager]=240
fi

missing=() total=0
for name in "${names[@]}"; do
    : "${version[$name]:=$kubernetes}"
    if [[ ! -v program[$name] && ! -x $cache/$name-${version[$name]}/$name ]]; then
        missing+=("$name")
        total=$((total + seconds[$name]))
    fi
done
if ((${#missing[@]} > 0)); then
    say "building ${missing[*]}: about $(((total + 59) / 60)) min on two cores with empty caches, this once"
fi

stamp=k8s.io/component-base/version
for name in "${names[@]}"; do
    if [[ -v program[$name] ]]; then
        continue
    elif [[ $name == etcd ]]; then
        program[$name]="$("$tools/go-tool.sh" "$name" "$etcd" "${seconds[$name]}" etcd go.etcd.io/etcd/server/v3)"
    else
        program[$name]="$("$tools/go-tool.sh" "$name" "$kubernetes" "${seconds[$name]}" kubernetes \
            "k8s.io/kubernetes/cmd/$name" \
            "-X $stamp.gitVersion=$kubernetes -X $stamp.gitMajor=$major -X $stamp.gitMinor=$minor")"
    fi
done

# One folder of links for each combination, so that a changed choice never alters a folder that somebody is using.
folder="$cache/control-plane-$(for name in "${names[@]}"; do echo "${program[$name]}"; done | sha256sum | cut -c1-12)"
if [[ ! -d $folder ]]; then
    part="$(mktemp --directory "$folder.XXXXXX")"
    for name in "${names[@]}"; do
        ln --symbolic "${program[$name]}" "$part/$name"
    done
    # Another run may have been faster: its folder holds the same links.
    mv --no-target-directory "$part" "$folder" 2>/dev/null || rm -rf "$part"
fi
printf '%s\n' "$folder"

#!/usr/bin/env bash
# Prints the path of the Go peer's program, built into the cache if it is not there yet.
#
# The key of the program is what it is made of: sources and pinned modules.

. "$(dirname "$(realpath "$0")")/../../../tools/cache.sh"

here="$(dirname "$(realpath "$0")")"
key="bench-go-$(cat "$here"/*.go "$here"/go.mod "$here"/go.sum | sha256sum | cut -c1-12)"
home="$cache/$key"
if [[ ! -x $home/peer ]]; then
    lock "$key"
fi
if [[ ! -x $home/peer ]]; then
    go="$("$tools/go.sh" "$(sed -n 's/^go //p' "$here/go.mod")")"
    say "building the Go peer, about 140 s on two cores with empty caches"
    rm -rf "$home.part"
    mkdir -p "$home.part"
    (
        cd "$here"
        export CGO_ENABLED=0 GOFLAGS='-mod=readonly -modcacherw' GOTOOLCHAIN=local GOWORK=off
        "$go" build -trimpath -ldflags "-s -w" -o "$home.part/peer" . >&2 9>&-
    )
    mv --no-target-directory "$home.part" "$home"
fi
printf '%s\n' "$home/peer"

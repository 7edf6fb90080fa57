#!/usr/bin/env bash
# Prints the path of cargo-deny, built into the cache at one version if it is not there yet.

. "$(dirname "$(realpath "$0")")/cache.sh"

version=0.20.2
home="$cache/cargo-deny-$version"

if [[ ! -x $home/bin/cargo-deny ]]; then
    lock "cargo-deny-$version"
fi
if [[ ! -x $home/bin/cargo-deny ]]; then
    say "building cargo-deny $version, about 4 min on two cores, this once"
    rm -rf "$home.part"
    # Outside the tree, whose settings are not meant for it; a killed build goes on from its target folder.
    (
        cd /
        unset RUSTFLAGS CARGO_ENCODED_RUSTFLAGS
        export CARGO_TARGET_DIR="$cache/cargo-deny-target"
        cargo install --quiet --locked --version "$version" --root "$home.part" cargo-deny >&2 9>&-
    )
    mv --no-target-directory "$home.part" "$home"
    rm -rf "$cache/cargo-deny-target"
fi
printf '%s\n' "$home/bin/cargo-deny"

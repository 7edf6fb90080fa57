#!/usr/bin/env bash
# Writes the bill of materials of the program, CycloneDX as JSON, and prints its path: every crate that is linked into the
# image's binary, with version, origin, hash and licence.
#
# The same lock file gives the same bytes: the tool leaves out its random serial number and takes the time from
# SOURCE_DATE_EPOCH. It writes beside each Cargo.toml, so it works on a copy of what it reads.

. "$(dirname "$(realpath "$0")")/cache.sh"
cd "$tools/.."

target="$(realpath --canonicalize-missing "${CARGO_TARGET_DIR:-target}")"
name=sqlserver-backup-operator.cdx
copy="$target/sbom-sources"

cyclonedx="$("$tools/cargo-cyclonedx.sh")"
rm -rf "$copy"
mkdir -p "$copy" "$target/image"
find . -path ./target -prune -o \( -name Cargo.toml -o -name Cargo.lock -o -name '*.rs' \) -print0 |
    xargs -0 cp --parents --target-directory "$copy"
(
    cd "$copy"
    SOURCE_DATE_EPOCH="${SOURCE_DATE_EPOCH:-0}" "$cyclonedx" cyclonedx --quiet --format json \
        --spec-version 1.5 --target x86_64-unknown-linux-musl --override-filename "$name" >&2
)
# The same on every machine.
sed "s|file://$copy|file:///src|g" "$copy/$name.json" >"$target/image/$name.json"
rm -rf "$copy"
printf '%s\n' "$target/image/$name.json"

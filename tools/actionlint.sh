#!/usr/bin/env bash
# Prints the path of actionlint, which checks .github/workflows, at the version that tools/actionlint/go.mod pins.

. "$(dirname "$(realpath "$0")")/cache.sh"

module=github.com/rhysd/actionlint
version="$(sed -nE "s|^(require)?[[:space:]]*$module (v[^ ]+).*|\2|p" "$tools/actionlint/go.mod")"
"$tools/go-tool.sh" actionlint "$version" 15 actionlint "$module/cmd/actionlint"

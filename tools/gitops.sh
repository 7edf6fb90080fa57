#!/usr/bin/env bash
# Prints the path of the program that says what kstatus and Argo CD's Lua interpreter make of an object, built into the
# cache if it is not there yet. Its version is what it is made of.

. "$(dirname "$(realpath "$0")")/cache.sh"

version="$(cat "$tools/gitops/main.go" "$tools/gitops/go.mod" "$tools/gitops/go.sum" | sha256sum | cut -c1-12)"
"$tools/go-tool.sh" gitops "$version" 45 gitops .

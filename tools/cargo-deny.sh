#!/usr/bin/env bash
# Prints the path of cargo-deny, which checks where the dependencies come from and under which licences.

. "$(dirname "$(realpath "$0")")/cache.sh"

cargo_tool cargo-deny 0.20.2 4

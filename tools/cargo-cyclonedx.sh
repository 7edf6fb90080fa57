#!/usr/bin/env bash
# Prints the path of cargo-cyclonedx, which writes the bill of materials.

. "$(dirname "$(realpath "$0")")/cache.sh"

cargo_tool cargo-cyclonedx 0.5.9 3

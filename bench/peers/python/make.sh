#!/usr/bin/env bash
# Prints the words that start the Python peer, after making an environment with kopf and the vendor's SDK.

. "$(dirname "$(realpath "$0")")/../../../tools/cache.sh"

here="$(dirname "$(realpath "$0")")"
venv bench-python "$here/requirements.txt"
printf '%s\n' "$here/peer.py"

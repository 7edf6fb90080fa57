#!/usr/bin/env bash
# Prints a python that has the vendor's official SDK for SQL Server, pinned by version and hash.

. "$(dirname "$(realpath "$0")")/cache.sh"

python="$(venv python-sdk "$tools/python/requirements.txt")"
printf '%s\n' "$python"

# shellcheck shell=bash disable=SC2034
# What the scripts of this folder share: strict mode, the cache outside the tree, one run at a time, Python environments,
# programs from Rust packages.
#
# Sourced, never run. Whatever a script makes lies below $cache under a name that holds its version, is made under a
# temporary name and renamed when it is whole: a run that is killed leaves nothing that a later one would take for good.
# Scripts print their one result on standard output and everything for people on standard error.

set -euo pipefail
shopt -s inherit_errexit

cache="${XDG_CACHE_HOME:-$HOME/.cache}/sqlserver-backup-operator"
tools="$(dirname "$(realpath "${BASH_SOURCE[0]}")")"
mkdir -p "$cache"

say() {
    printf '%s: %s\n' "$(basename "$0" .sh)" "$*" >&2
}

give_up() {
    say "$*"
    exit 1
}

# lock NAME: waits until no other run makes NAME, and keeps others waiting until this shell ends, however it ends.
# Long-running children are started with 9>&-, else one that outlives a killed run would keep the lock.
lock() {
    exec 9>"$cache/$1.lock"
    if ! flock --nonblock 9; then
        say "another run is making $1, waiting for it"
        flock 9
    fi
}

# is_at_least WANTED FOUND: compares versions such as 1.26.0 or v1.36.3.
is_at_least() {
    printf '%s\n' "$1" "$2" | sort --version-sort --check=silent
}

has_venv() {
    python3 -c 'import ensurepip, venv' 2>/dev/null
}

# venv NAME REQUIREMENTS: prints the python of an environment that holds just what REQUIREMENTS pins by version and hash.
# The interpreter is part of its key: an environment does not survive an upgrade of the Python that it was made with.
venv() {
    local key home
    has_venv || give_up "Python 3 with its venv module is needed: install python3 and python3-venv"
    key="$1-$({ python3 -VV && cat "$2"; } | sha256sum | cut -c1-12)"
    home="$cache/$key"
    if [[ ! -e $home ]]; then
        lock "$key"
    fi
    if [[ ! -e $home ]]; then
        say "installing $1, some seconds"
        rm -rf "$home.part"
        python3 -m venv "$home.part" >&2 9>&-
        "$home.part/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --only-binary :all: \
            --require-hashes --requirement "$2" >&2 9>&-
        mv --no-target-directory "$home.part" "$home"
    fi
    printf '%s\n' "$home/bin/python"
}

# cargo_tool NAME VERSION MINUTES: prints the path of the program of a Rust package, built at one version if it is not
# there yet. MINUTES is what the build takes on two cores.
cargo_tool() {
    local home="$cache/$1-$2"
    if [[ ! -x $home/bin/$1 ]]; then
        lock "$1-$2"
    fi
    if [[ ! -x $home/bin/$1 ]]; then
        say "building $1 $2, about $3 min on two cores, this once"
        rm -rf "$home.part"
        # Outside the tree, whose settings are not meant for it; a killed build goes on from its target folder.
        (
            cd /
            unset RUSTFLAGS CARGO_ENCODED_RUSTFLAGS
            export CARGO_TARGET_DIR="$cache/$1-target"
            cargo install --quiet --locked --version "$2" --root "$home.part" "$1" >&2 9>&-
        )
        mv --no-target-directory "$home.part" "$home"
        rm -rf "$cache/$1-target"
    fi
    printf '%s\n' "$home/bin/$1"
}

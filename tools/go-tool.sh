#!/usr/bin/env bash
# Prints the path of one Go program, built from its pinned module into the cache if it is not there yet.
#
# Two runs at once: the second waits, and finds the first one's program. A killed run leaves no half program, because
# only a rename gives the name; what it had compiled stays in Go's own cache, so the next run goes on from there.
# usage: go-tool.sh NAME VERSION SECONDS MODULE PACKAGE [LDFLAGS]
#   SECONDS is what the build took on two cores with empty caches; MODULE is the folder below tools/ that pins PACKAGE.

. "$(dirname "$(realpath "$0")")/cache.sh"

name="$1" version="$2" seconds="$3" module="$tools/$4" package="$5" ldflags="${6:-}"
home="$cache/$name-$version"

# Compiles into the file $1; says every 15 seconds how far it is.
compile() {
    local go log="$home/build.log" begin=$SECONDS next=15
    go="$("$tools/go.sh" "$(sed -n 's/^go //p' "$module/go.mod")")"
    say "building $name $version, about $seconds s on two cores with empty caches"
    (
        cd "$module"
        export CGO_ENABLED=0 GOFLAGS='-mod=readonly -modcacherw' GOTOOLCHAIN=local GOWORK=off
        exec "$go" build -v -trimpath -ldflags "-s -w $ldflags" -o "$1" "$package" >"$log" 2>&1 9>&-
    ) &
    local build=$!
    trap 'kill "$build" 2>/dev/null' EXIT
    while kill -0 "$build" 2>/dev/null; do
        sleep 1
        if ((SECONDS - begin >= next)); then
            say "$name: $((SECONDS - begin)) s, $(wc -l <"$log") packages compiled"
            next=$((SECONDS - begin + 15))
        fi
    done
    wait "$build" || give_up "$name $version could not be built:"$'\n'"$(tail -n 20 "$log")"
    trap - EXIT
    say "$name $version is ready after $((SECONDS - begin)) s"
}

if [[ ! -x $home/$name ]]; then
    lock "$name-$version"
fi
if [[ ! -x $home/$name ]]; then
    mkdir -p "$home"
    rm -f "$home"/part.*
    part="$(mktemp --dry-run "$home/part.XXXXXX")"
    compile "$part"
    mv "$part" "$home/$name"
fi
printf '%s\n' "$home/$name"

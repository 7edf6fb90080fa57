#!/usr/bin/env bash
# Builds the image for amd64 and arm64 from the last stage of the Dockerfile, and prints how large it is.
#
# No registry is asked: that stage begins empty, and a folder with binaries that were cross-compiled here stands in for
# the stage before it. Everything lies below the target folder, in image/: `build/out`, which is what a release takes;
# one OCI layout for each architecture, which is what would be pushed; and buildah's own storage, from which the tests
# run the program. All of it but the compiler's state is made anew each time.
#
# What is missing on a Debian is installed if this runs as root, and named if it does not. C compilers are needed for
# ring. The binary of the other architecture runs under qemu, which is called by name, so that the kernel needs no
# registration of it.

. "$(dirname "$(realpath "$0")")/cache.sh"
cd "$tools/.."

target="$(realpath --canonicalize-missing "${CARGO_TARGET_DIR:-target}")"
home="$target/image"
program=sqlserver-backup-operator
authorities=/etc/ssl/certs/ca-certificates.crt

architectures=(amd64 arm64)
declare -A machine=([amd64]=x86_64 [arm64]=aarch64)
declare -A compiler_package=(
    [amd64]='gcc-x86-64-linux-gnu libc6-dev-amd64-cross' [arm64]='gcc-aarch64-linux-gnu libc6-dev-arm64-cross'
)
own="$(uname --machine)"

# compiler ARCHITECTURE: the C compiler for it.
compiler() {
    if [[ ${machine[$1]} == "$own" ]]; then
        echo musl-gcc
    else
        echo "${machine[$1]}-linux-gnu-gcc"
    fi
}

# Installs what is not there, or says what is to be installed.
require() {
    local architecture packages=() compiler_packages
    command -v buildah >/dev/null || packages+=(buildah)
    [[ -r $authorities ]] || packages+=(ca-certificates)
    for architecture in "${architectures[@]}"; do
        if [[ ${machine[$architecture]} == "$own" ]]; then
            command -v musl-gcc >/dev/null || packages+=(musl-tools)
            continue
        fi
        if ! command -v "$(compiler "$architecture")" >/dev/null; then
            read -ra compiler_packages <<<"${compiler_package[$architecture]}"
            packages+=("${compiler_packages[@]}")
        fi
        command -v "qemu-${machine[$architecture]}-static" >/dev/null || packages+=(qemu-user-static)
    done
    if ((${#packages[@]} == 0)); then
        return
    fi
    if ((EUID != 0)) || ! command -v apt-get >/dev/null; then
        give_up "what is in these packages of Debian is missing, install it: ${packages[*]}"
    fi
    say "installing ${packages[*]}"
    {
        apt-get update --quiet=2 || say "the lists of packages could not be brought up to date, trying with those that are here"
        DEBIAN_FRONTEND=noninteractive apt-get install --quiet=2 --yes --no-install-recommends "${packages[@]}"
    } >&2 || give_up "they could not be installed, do so by hand: ${packages[*]}"
}

# standard_library TRIPLE: installs Rust's standard library for it.
standard_library() {
    if [[ ! -d $(rustc --print target-libdir --target "$1") ]]; then
        command -v rustup >/dev/null || give_up "this Rust has no standard library for $1: install it"
        say "adding the standard library of Rust for $1"
        rustup --quiet target add "$1" >&2
    fi
}

# Puts the binaries to where the Dockerfile takes them from. One call of cargo, so that no core is idle while the other
# one links: nearly all of the time goes into the last step of each.
compile() {
    local architecture triple name triples=()
    for architecture in "${architectures[@]}"; do
        triple="${machine[$architecture]}-unknown-linux-musl"
        standard_library "$triple"
        triples+=(--target "$triple")
        name="${triple//-/_}"
        # A distribution's compiler may add calls of glibc that musl does not have.
        export "CC_$name=$(compiler "$architecture")" "CFLAGS_$name=-U_FORTIFY_SOURCE"
        # musl-gcc is no linker for this: it would ask for a dynamic loader that the image does not have.
        if [[ ${machine[$architecture]} != "$own" ]]; then
            export "CARGO_TARGET_${name^^}_LINKER=$(compiler "$architecture")"
        fi
    done
    # Where this tree and the sources of the libraries lie is no part of what is built.
    export RUSTFLAGS="--remap-path-prefix=$PWD=/src --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo"
    say "compiling for ${architectures[*]}: about 4 min on two cores, or one if only this tree has changed"
    "${CARGO:-cargo}" build --release --locked --quiet "${triples[@]}" --bin "$program" >&2
    for architecture in "${architectures[@]}"; do
        install -D --mode=0755 "$target/${machine[$architecture]}-unknown-linux-musl/release/$program" \
            "$home/build/out/$architecture/$program"
    done
}

# A store of its own, without the kernel's help: no overlay, and a root folder instead of namespaces.
builder() {
    local task="$1"
    shift
    buildah --root "$home/storage" --runroot "$home/run" --storage-driver vfs "$task" "$@"
}

# A time that is always the same, so that the same sources give the same image.
build() {
    builder bud --quiet --isolation chroot --timestamp 0 --platform "linux/$1" --build-context "build=$home/build" \
        --tag "localhost/$program:$1" --file Dockerfile . >/dev/null
    builder push --quiet "localhost/$program:$1" "oci:$home/oci-$1:$1"
}

require
rm -rf "$home"/{build,storage,run,oci-*}
install -D --mode=0644 "$authorities" "$home/build/out/ca-certificates.crt"
compile
say "compiled after $SECONDS s"
for architecture in "${architectures[@]}"; do
    build "$architecture"
done

row='%-14s %12s %12s\n'
# shellcheck disable=SC2059
{
    printf "$row" architecture binary image
    for architecture in "${architectures[@]}"; do
        pulled="$(find "$home/oci-$architecture/blobs" -type f -printf '%s\n' | awk '{ all += $1 } END { print all }')"
        printf "$row" "$architecture" "$(stat --format=%s "$home/build/out/$architecture/$program")" "$pulled"
    done
}

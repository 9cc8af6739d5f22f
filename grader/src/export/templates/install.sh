#!/usr/bin/env bash
# Installs the kit from the kit.tar.gz beside this file into the folder $1, with what it needs, and builds what all
# submissions share. Ends with an error if a submission could not be graded here.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
prefix=${1:?the folder to install the kit into was expected}
mkdir -p "$prefix"
prefix=$(cd "$prefix" && pwd)

for tool in cc curl qemu-system-x86_64; do
    if ! command -v "$tool" >/dev/null; then
        sudo=$([ "$(id -u)" = 0 ] || echo sudo)
        $sudo apt-get update
        $sudo env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends \
            build-essential ca-certificates curl qemu-system-x86
        break
    fi
done
if ! command -v cargo >/dev/null; then
    export RUSTUP_HOME=$prefix/rustup CARGO_HOME=$prefix/cargo
    export PATH=$CARGO_HOME/bin:$PATH
    curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y --no-modify-path --profile minimal
fi

tar -xzf "$here/kit.tar.gz" -C "$prefix"
cd "$prefix/kit"
# All of it, the kernel's too: later there is no network.
cargo fetch --quiet --locked
cargo build --quiet --locked --package grader
kit=$prefix/kit/target/debug/kit
# The kernel's target and the kernel itself, which has to boot; what only people look with is not installed.
"$kit" run --deterministic --command 'map 0x400000'

# What the scripts that grade begin with. There is no network from here on.
{
    for name in RUSTUP_HOME CARGO_HOME PATH; do
        [ -z "${!name:-}" ] || printf 'export %s=%q\n' "$name" "${!name}"
    done
    printf 'export CARGO_NET_OFFLINE=true\nKIT=%q\nKIT_TIER=${KIT_TIER:-strong}\n' "$kit"
} >"$prefix/env"

. "$prefix/env"
cold=$(mktemp -d)
for lab in @LABS@; do
    starter=$(echo "$prefix/kit/labs/$(printf '%02d' "$lab")"-*/starter.*)
    "$KIT" grade "$starter" --lab "$lab" --tier "$KIT_TIER" --report "$cold/$lab.json"
done
rm -rf "$cold"

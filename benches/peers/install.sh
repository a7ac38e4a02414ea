#!/bin/sh
# Installs the tools that Lifeboat is measured against: restic and borg from Debian, rustic from
# crates.io (which takes minutes). What is there already is left alone. Needs to run as root.
set -eu

# restic is newest in trixie, borg 1.4 in bookworm's backports; the machine's own release goes
# first for everything else.
newer() { # PACKAGE RELEASE
    command -v "${3:-$1}" >/dev/null && return
    mirror=$(awk '$1 == "URIs:" { print $2; exit }' /etc/apt/sources.list.d/debian.sources \
        2>/dev/null || true)
    [ -n "$mirror" ] || mirror=$(awk '$1 == "deb" { for (i = 2; i < NF; i++) if ($i ~ "^http") \
        { print $i; exit } }' /etc/apt/sources.list)
    list=/etc/apt/sources.list.d/lifeboat-$2.list
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $2 main" >"$list"
    printf 'Package: *\nPin: release n=%s\nPin-Priority: 100\n' "$2" \
        >"/etc/apt/preferences.d/lifeboat-$2"
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends -t "$2" "$1"
}

newer restic trixie
newer borgbackup bookworm-backports borg
command -v rustic >/dev/null || cargo install rustic-rs --version 0.11.4 --locked \
    --no-default-features --features jemallocator

restic version
borg --version
rustic --version

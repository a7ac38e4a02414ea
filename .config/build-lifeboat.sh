#!/bin/sh
# Builds `lifeboat` alone, so that no feature which only tests switch on is in it, and tells the
# end-to-end tests where it is. nextest runs this once, before the first of them.
set -eu
cargo build --quiet --package lifeboat-cli
target=$(cargo metadata --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
echo "LIFEBOAT_BIN=$target/debug/lifeboat" >>"$NEXTEST_ENV"

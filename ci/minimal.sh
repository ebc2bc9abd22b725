#!/usr/bin/env bash
# The lowest versions of the dependencies that the manifests allow: checks both crates with exactly these and all
# features. Development dependencies and those of loom and shuttle are left out, because no user of the crates has them.
source "$(dirname "$0")/lib.sh"
root=$PWD
target=${CARGO_TARGET_DIR:-$root/target}
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
cp -r gc-core gc-derive "$copy"
sed 's/^members = .*/members = ["gc-core", "gc-derive"]/' Cargo.toml >"$copy/Cargo.toml"
# Drops whole tables: from a header that matches to the next header.
for manifest in "$copy"/gc-*/Cargo.toml; do
  awk '/^\[/ { drop = /dev-dependencies|cfg\((loom|shuttle)\)/ } !drop' "$manifest" >"$copy/kept"
  mv "$copy/kept" "$manifest"
done
cd "$copy"
step "lowest versions of the dependencies"
# The option is unstable, and the stable cargo has it behind this variable.
if ! RUSTC_BOOTSTRAP=1 cargo update -Z direct-minimal-versions 2>resolve.err; then
  cat resolve.err
  if grep -qE 'failed to (download|fetch|query)|[Cc]ould not (resolve|connect)|network' resolve.err; then
    skip "lowest versions: the registry cannot be reached"
    exit 0
  fi
  exit 1
fi
CARGO_TARGET_DIR=$target/minimal cargo check -p gc-core -p gc-derive --all-features --locked

#!/usr/bin/env bash
# A statically linked program with a heap (-C target-feature=+crt-static), built and run. Skipped where the C library
# has no static form.
source "$(dirname "$0")/lib.sh"
host=$(rustc -vV | sed -n 's/^host: //p')
case "$host" in
  *-linux-gnu | *-linux-musl) ;;
  *) skip "static linking: not on $host"; exit 0 ;;
esac
target=${CARGO_TARGET_DIR:-target}/static
mkdir -p "$target"
static="-C target-feature=+crt-static"
# What fails here is not ours.
if ! echo 'fn main() {}' | rustc $static --target "$host" -o "$target/empty" - 2>"$target/empty.err"; then
  skip "static linking: an empty program cannot be linked: $(grep -m1 -E 'cannot find|error' "$target/empty.err")"
  exit 0
fi
step "static linking: $host"
# With --target the flags are for the program only, and not for the macros, which the compiler loads.
RUSTFLAGS="$static" CARGO_TARGET_DIR=$target cargo build --release --target "$host" -p gc-core --example footprint
out=$("$target/$host/release/examples/footprint" --quick)
printf '%s\n' "$out"
grep -q '^linked statically' <<<"$out"

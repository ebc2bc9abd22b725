#!/usr/bin/env bash
# The verifying build: second stopped marker, poisoned free slots, random yields at every protocol step.
# VERIFY_SECONDS (default 120) is how long the stress program runs, split over two marker counts.
source "$(dirname "$0")/lib.sh"
export RUSTFLAGS="--cfg gc_verify" CARGO_TARGET_DIR=target/verify
seconds=${VERIFY_SECONDS:-120}
step "tests, verifying build"
cargo test --release -p gc-core --lib --test smoke --test api --test hard --test lifetimes --test oracle --test derive
for markers in 1 2; do
  step "stress, verifying build, $markers marker(s), $((seconds / 2)) s"
  cargo run --release -p gc-core --example stress -- --seconds $((seconds / 2)) --threads 4 --markers $markers
done

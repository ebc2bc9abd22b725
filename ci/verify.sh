#!/usr/bin/env bash
# The verifying build: second stopped marker, poisoned free slots, random yields before operations of
# atomics and locks.
# VERIFY_SECONDS (default 120) is how long the stress program runs: with one marker, with two, and stopped.
source "$(dirname "$0")/lib.sh"
export RUSTFLAGS="--cfg gc_verify" CARGO_TARGET_DIR=target/verify
seconds=${VERIFY_SECONDS:-120}
step "tests, verifying build"
cargo test --release -p gc-core --lib --test smoke --test api --test hard --test lifetimes --test oracle --test derive \
  --test ephemerons --test behaviours --test stopped --test drops --test pool --test cells --test slices --test any --test dynamic --test roots_async
stress() { # seconds, name, options
  step "stress, verifying build, $2, $1 s"
  GC_YIELD_MEAN=512 cargo run --release -p gc-core --example stress -- --seconds "$1" --threads 4 "${@:3}"
}
stress $((seconds * 2 / 5)) "one marker" --markers 1
stress $((seconds * 2 / 5)) "two markers" --markers 2
# What fails here is not the barrier's fault.
GC_STW=1 stress $((seconds / 5)) "stopped mode" --markers 2

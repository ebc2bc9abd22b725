#!/usr/bin/env bash
# Format, and clippy with warnings denied, in every configuration that has code of its own.
source "$(dirname "$0")/lib.sh"
step "format"
cargo fmt --all -- --check
rustfmt --check --edition 2024 fuzz/src/lib.rs fuzz/fuzz_targets/heap.rs gc-core/tests/schedules.rs \
  gc-core/tests/generated/hostile.rs
step "clippy"
cargo clippy --workspace --all-targets -- -D warnings
step "clippy, verifying build"
RUSTFLAGS="--cfg gc_verify" CARGO_TARGET_DIR=target/verify cargo clippy -p gc-core --all-targets -- -D warnings
step "clippy, loom"
RUSTFLAGS="--cfg loom" CARGO_TARGET_DIR=target/loom cargo clippy -p loom-tests --all-targets -- -D warnings
step "clippy, shuttle"
RUSTFLAGS="--cfg shuttle --cfg gc_verify" CARGO_TARGET_DIR=target/shuttle \
  cargo clippy -p gc-core --lib --test schedules -- -D warnings
step "clippy, every feature"
cargo clippy -p gc-core --all-targets --all-features -- -D warnings

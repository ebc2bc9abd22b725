#!/usr/bin/env bash
# The loom models of the protocol types, each with its broken twin. Debug assertions are on; without them gc-core
# refuses to be built for loom.
source "$(dirname "$0")/lib.sh"
export CARGO_PROFILE_RELEASE_DEBUG_ASSERTIONS=true
step "loom models"
RUSTFLAGS="--cfg loom" CARGO_TARGET_DIR=target/loom \
    cargo test --release -p loom-tests --no-fail-fast -- --nocapture --test-threads 2

#!/usr/bin/env bash
# The whole collector under a random scheduler (shuttle), with the verifying build's checks: SCHEDULES (default 3000)
# seeds, each of which names a whole run. A failing one is replayed with GC_SCHEDULE=N.
source "$(dirname "$0")/lib.sh"
export RUSTFLAGS="--cfg shuttle --cfg gc_verify" CARGO_TARGET_DIR=target/shuttle
schedules=${SCHEDULES:-3000} cores=$(nproc)
step "random schedules: $schedules"
cargo test --release -p gc-core --test schedules --no-run
# A run has one thread at a time, so each core gets a part of them.
seq "$cores" | xargs -P "$cores" -I {} bash -c 'GC_SCHEDULES=$(($0 * ({} - 1) / $1))..$(($0 * {} / $1)) \
  cargo test --release -p gc-core --test schedules -- --nocapture' "$schedules" "$cores"

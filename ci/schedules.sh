#!/usr/bin/env bash
# The whole collector under a random scheduler (shuttle), with the verifying build's checks: SCHEDULES (default 3000)
# seeds, each of which names a whole run. A failing one is replayed with GC_SCHEDULE=N.
source "$(dirname "$0")/lib.sh"
export RUSTFLAGS="--cfg shuttle --cfg gc_verify" CARGO_TARGET_DIR=target/shuttle
export GC_SCHEDULES=${SCHEDULES:-3000}
step "random schedules: $GC_SCHEDULES"
cargo test --release -p gc-core --test schedules -- --nocapture

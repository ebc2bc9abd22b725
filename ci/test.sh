#!/usr/bin/env bash
# The README's test command, and the sum of its closing lines (one for each test program) at the end.
source "$(dirname "$0")/lib.sh"
step "cargo test --workspace"
mkdir -p target
cargo test --workspace 2>&1 | tee target/test.out
step "cargo test, every feature"
cargo test -p gc-core --all-features --lib --test traits --test debug_server --test attribution 2>&1 | tee -a target/test.out
awk '/^test result:/ { passed += $4; failed += $6; skipped += $8 }
     END { printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped }' target/test.out | tee target/test.sum

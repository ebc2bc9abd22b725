#!/usr/bin/env bash
# Line coverage of gc-core/src by the tests, in the plain and in the verifying build together (cargo-llvm-cov). Not a
# part of .ci/run: it builds everything again. Fails below COVERAGE_MIN (90) percent; the lines that no test reaches
# are printed, and docs/TESTING.md explains them.
source "$(dirname "$0")/lib.sh"
if ! cargo llvm-cov --version >/dev/null 2>&1; then
  skip "coverage: cargo install cargo-llvm-cov && rustup component add llvm-tools-preview"
  exit 0
fi
export CARGO_TARGET_DIR=target/coverage
tests=(--lib --test smoke --test api --test hard --test lifetimes --test oracle --test derive --test ephemerons
  --test behaviours --test stopped --test drops --test any --test dynamic --test roots_async --example index)
step "coverage: tests, plain build"
cargo llvm-cov clean --workspace
cargo llvm-cov --no-report -p gc-core "${tests[@]}"
step "coverage: tests, verifying build"
RUSTFLAGS="--cfg gc_verify" cargo llvm-cov --no-report -p gc-core "${tests[@]}"
step "coverage: report"
only=(--ignore-filename-regex '/(tests|examples|gc-derive|benches|loom-tests)/')
cargo llvm-cov report "${only[@]}" | sed -E 's/ +/ /g' | cut -d' ' -f1,8-10
cargo llvm-cov report "${only[@]}" --show-missing-lines | sed -n '/Uncovered Lines/,$p'
cargo llvm-cov report "${only[@]}" --fail-under-lines "${COVERAGE_MIN:-90}" >/dev/null

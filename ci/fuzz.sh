#!/usr/bin/env bash
# Fuzzing, smoke run: FUZZ_SECONDS (default 30) of the target in fuzz/ in the verifying build under AddressSanitizer,
# starting from the corpus in the tree. Needs a nightly toolchain and a C++ compiler, and no cargo-fuzz: the flags
# below are those that it would set. New inputs stay below target/; a failing one is named at the end.
source "$(dirname "$0")/lib.sh"
if ! cargo +nightly --version >/dev/null 2>&1; then
  skip "fuzzing: no nightly toolchain"
  exit 0
fi
host=$(rustc +nightly -vV | sed -n 's/^host: //p')
case "$host" in
  x86_64-unknown-linux-gnu | aarch64-unknown-linux-gnu) ;;
  *) skip "fuzzing: not on $host"; exit 0 ;;
esac
if ! command -v "${CXX:-c++}" >/dev/null; then
  skip "fuzzing: no C++ compiler, which libFuzzer is built with"
  exit 0
fi
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target}/fuzz
work=$CARGO_TARGET_DIR/run
mkdir -p "$work/corpus" "$work/artifacts"
# Only the target platform gets the flags, hence --target.
sanitizers="-Zsanitizer=address -Cunsafe-allow-abi-mismatch=sanitizer"
coverage="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4"
coverage+=" -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table"
step "fuzzing: build"
RUSTFLAGS="$coverage $sanitizers --cfg fuzzing --cfg gc_verify" \
  cargo +nightly build --release --locked --manifest-path fuzz/Cargo.toml --target "$host" --bin heap
heap() { # libFuzzer's arguments
  ASAN_OPTIONS=detect_leaks=0 "$CARGO_TARGET_DIR/$host/release/heap" -detect_leaks=0 -timeout=60 \
    -artifact_prefix="$work/artifacts/" "$@" >"$work/log" 2>&1 && return
  tail -n 60 "$work/log"
  printf 'replay: GC_REPLAY=file GC_REPEAT=1000 cargo test --release -p gc-core --test oracle replay, with a file of\n'
  ls -d "$work"/artifacts/*
  return 1
}
# What the collector is doing meanwhile differs from run to run.
step "fuzzing: the corpus, 10 times"
heap -runs=10 fuzz/corpus/heap/*
step "fuzzing: ${FUZZ_SECONDS:-30} s"
heap -max_len=512 -rss_limit_mb=4096 -reload=0 -max_total_time="${FUZZ_SECONDS:-30}" -print_final_stats=1 \
  "$work/corpus" fuzz/corpus/heap
grep -aE '^Done|^stat::(number_of_executed_units|average_exec_per_sec|new_units_added)' "$work/log"

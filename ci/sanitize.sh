#!/usr/bin/env bash
# AddressSanitizer and ThreadSanitizer over the tests and the stress program, where a nightly toolchain is
# installed. For the first, free slots are poisoned through its manual interface (--cfg gc_asan). std is not
# instrumented, and ThreadSanitizer knows no fences, so in its build ours are read-modify-writes (--cfg gc_tsan) and
# std's own reports are suppressed by name (ci/tsan.supp says which and why).
source "$(dirname "$0")/lib.sh"
if ! cargo +nightly --version >/dev/null 2>&1; then
  skip "sanitizers: no nightly toolchain"
  exit 0
fi
host=$(rustc -vV | sed -n 's/^host: //p')
case "$host" in
  x86_64-unknown-linux-gnu | aarch64-unknown-linux-gnu) ;;
  *) skip "sanitizers: not on $host"; exit 0 ;;
esac
seconds=${SANITIZE_SECONDS:-30}
run() { # name, flags
  export RUSTFLAGS="-Zsanitizer=$1 -Cunsafe-allow-abi-mismatch=sanitizer --cfg gc_verify $2"
  export CARGO_TARGET_DIR=target/$1
  step "$1: tests"
  cargo +nightly test --release --target "$host" -p gc-core --lib --test smoke --test api --test derive --test hard \
    --test lifetimes --test oracle --test ephemerons --test behaviours --test stopped
  step "$1: stress, $seconds s"
  cargo +nightly run --release --target "$host" -p gc-core --example stress -- --seconds "$seconds" --threads 4
}
ASAN_OPTIONS=detect_leaks=0 run address "--cfg gc_asan"
# The tests of fork start threads in the child.
TSAN_OPTIONS="suppressions=$PWD/ci/tsan.supp halt_on_error=1 die_after_fork=0" run thread "--cfg gc_tsan"

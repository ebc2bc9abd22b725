#!/usr/bin/env bash
# AddressSanitizer over the tests and the stress program, ThreadSanitizer over the stress program, where a nightly
# toolchain is installed. For the first, free slots are poisoned through its manual interface (--cfg gc_asan). For the
# second, std is not instrumented, and the tool knows no fences: ours are read-modify-writes there (--cfg gc_tsan), the
# stress program joins its threads by hand and hands over under an instrumented lock, and ci/tsan.supp names what is left
# of std's own reports. The tests are not run under it: their runner and their scopes hand over inside of std.
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
flags() { # sanitizer, more flags
  export CARGO_TARGET_DIR=target/$1
  export RUSTFLAGS="-Zsanitizer=$1 -Cunsafe-allow-abi-mismatch=sanitizer --cfg gc_verify $2"
}
stress() { # seconds, threads, markers
  step "$CARGO_TARGET_DIR: stress, $1 s, $2 threads, $3 markers"
  cargo +nightly run --release --target "$host" -p gc-core --example stress -- --seconds "$1" --threads "$2" --markers "$3"
}
flags address "--cfg gc_asan"
export ASAN_OPTIONS=detect_leaks=0
step "address: tests"
cargo +nightly test --release --target "$host" -p gc-core --lib --test smoke --test api --test derive --test hard \
  --test lifetimes --test oracle --test ephemerons --test behaviours --test stopped \
  --test drops --test pool --test any --test dynamic --test roots_async
stress "$seconds" 4 2

flags thread "--cfg gc_tsan"
export TSAN_OPTIONS="suppressions=$PWD/ci/tsan.supp halt_on_error=1"
step "thread: a race is reported"
mkdir -p "$CARGO_TARGET_DIR"
race=$CARGO_TARGET_DIR/race
# The words of the flags are split on purpose.
rustc +nightly --edition 2024 -O $RUSTFLAGS ci/race.rs -o "$race"
status=0
"$race" 2>"$race.err" || status=$?
if [ "$status" != 66 ] || ! grep -q 'data race .* in race::race' "$race.err"; then
  cat "$race.err" >&2
  echo "ThreadSanitizer did not report ci/race.rs (exit status $status)" >&2
  exit 1
fi
stress "$seconds" 4 1
stress "$seconds" 3 2

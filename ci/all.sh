#!/usr/bin/env bash
# Everything that CI runs, in its order; at the end the sum of the README's test command once more. What a machine has
# not (a nightly toolchain, spin, a C++ compiler) is skipped with a line that says so.
set -euo pipefail
# A fresh build is faster without what the next one would use, and with no more debug information than a backtrace needs.
export CARGO_INCREMENTAL=0 CARGO_PROFILE_RELEASE_DEBUG=line-tables-only
here=$(cd "$(dirname "$0")" && pwd)
for script in test generated static lint metrics profile perfetto heapsnapshot features minimal docs package loom schedules model verify; do
  bash "$here/$script.sh"
done
# A sample of the faults: one for each kind of check, and the commonest mistakes. All of them: ci/faults.sh.
printf '\n=== faults, a sample (%s s)\n' "$SECONDS"
bash "$here/faults.sh" barrier_off gate_removed drop_twice pin_without_fence
for script in sanitize fuzz bench-smoke asm; do
  bash "$here/$script.sh"
done
printf '\n=== all passed in %s s\n' "$SECONDS"
cat "$here/../target/test.sum"

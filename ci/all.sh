#!/usr/bin/env bash
# Everything that CI runs, in its order; at the end the sum of the README's test command once more.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
for script in test lint docs loom verify sanitize bench-smoke; do
  bash "$here/$script.sh"
done
printf '\n=== all passed in %s s\n' "$SECONDS"
cat "$here/../target/test.sum"

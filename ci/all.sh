#!/usr/bin/env bash
# Everything that CI runs, in its order.
here=$(dirname "$0")
set -euo pipefail
for script in test lint docs loom verify sanitize bench-smoke; do
  bash "$here/$script.sh"
done
printf '\n=== all passed in %s s\n' "$SECONDS"

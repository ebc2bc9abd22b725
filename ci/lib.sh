# Sourced by the scripts beside it: the repository's root, strictness, and a line before each step.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export CARGO_TERM_COLOR=never RUST_BACKTRACE=1
step() { printf '\n=== %s (%s s)\n' "$*" "$SECONDS"; }
skip() { printf '\n=== skipped: %s\n' "$*"; }

#!/usr/bin/env bash
# Heap snapshots, read back by the reader of Chrome's DevTools: the npm package heap-snapshot-toolkit is its code, built for
# Node. Where node or the package cannot be had, that part is skipped.
source "$(dirname "$0")/lib.sh"
target=${CARGO_TARGET_DIR:-$PWD/target}
mkdir -p "$target/heapsnapshot"
step "heap snapshots"
HEAPSNAPSHOT_OUT=$target/heapsnapshot/heap.heapsnapshot \
  cargo test -p gc-core --all-features --test snapshot --test heapsnapshot
if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
  skip "Chrome's reader of heap snapshots (needs node and npm)"
  exit 0
fi
cp ci/heapsnapshot/read.mjs "$target/heapsnapshot/"
cd "$target/heapsnapshot"
if ! [ -d node_modules/heap-snapshot-toolkit ] && ! npm install --no-save --silent heap-snapshot-toolkit@1.1.3; then
  skip "Chrome's reader of heap snapshots (npm has no heap-snapshot-toolkit 1.1.3 here)"
  exit 0
fi
step "Chrome's reader"
node read.mjs heap.heapsnapshot

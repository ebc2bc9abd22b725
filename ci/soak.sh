#!/usr/bin/env bash
# The mixed workload (the stress program) for long, in the verifying build: its memory, threads, open files and
# mappings are sampled, and must not grow. SOAK_SECONDS (default 300; an hour is 3600) is how long, SOAK_EVERY
# (default 5, less for short runs) the seconds between samples, SOAK_SEED a seed to replay.
#
# The run is cut into four quarters. The first is for warming up; the median of the last one may exceed that of the
# second by the tolerance only. An inconsistency that the program reports fails the run too. The machine's load is
# shown beside it and not judged: where the collector gets no core, the heap overshoots its goal and the memory grows
# with the load, so run it on a machine that does nothing else. The samples and the program's lines stay in
# target/verify/soak.samples and soak.log.
source "$(dirname "$0")/lib.sh"
# glibc gives threads arenas of their own and keeps what those of ended threads held, which looks like a leak: memory at
# rest is 1.5 MB after 300 million operations, while the arenas hold 50.
export MALLOC_ARENA_MAX=${MALLOC_ARENA_MAX:-1}
export RUSTFLAGS="--cfg gc_verify" CARGO_TARGET_DIR=${SOAK_TARGET_DIR:-target/verify}
seconds=${SOAK_SECONDS:-300}
every=${SOAK_EVERY:-$((seconds / 60 > 5 ? 5 : (seconds / 60 > 0 ? seconds / 60 : 1)))}
seed=${SOAK_SEED:-$(date +%s)}
if ! [ -d /proc/self/fd ]; then
  skip "soak: no /proc"
  exit 0
fi
step "soak, verifying build, $seconds s, seed $seed, a sample every $every s"
cargo build --release -p gc-core --example stress
samples=$CARGO_TARGET_DIR/soak.samples log=$CARGO_TARGET_DIR/soak.log
: >"$samples"
trap 'kill "${pid:-}" 2>/dev/null || true' EXIT
"$CARGO_TARGET_DIR/release/examples/stress" --seconds "$seconds" --threads 4 --markers 2 --seed "$seed" >"$log" 2>&1 &
pid=$!
# One line a sample: RSS in KiB, threads, open files, mappings, load. One of a process that is ending is left out.
while kill -0 "$pid" 2>/dev/null; do
  line=$(
    awk '$1 == "VmRSS:" { rss = $2 } $1 == "Threads:" { threads = $2 } END { printf "%d %d ", rss, threads }' \
      "/proc/$pid/status"
    ls "/proc/$pid/fd" | wc -l | tr '\n' ' '
    wc -l <"/proc/$pid/maps" | tr '\n' ' '
    awk '{ printf "%d", $1 * 100 }' /proc/loadavg
  ) 2>/dev/null || true
  # RSS is 0 and a number is missing for a process that is ending.
  if [[ $line =~ ^[1-9][0-9]*(\ [1-9][0-9]*){3}\ [0-9]+$ ]]; then echo "$line" >>"$samples"; fi
  sleep "$every"
done
status=0
wait "$pid" || status=$?
tail -n 3 "$log"
if [ "$status" -ne 0 ]; then
  grep -a INCONSISTENT "$log" || true
  echo "soak: FAILED: the program ended with $status (replay: SOAK_SEED=$seed SOAK_SECONDS=$seconds $0)"
  exit 1
fi
# Medians by quarter. Tolerances: memory 15 % and 8 MiB (the allocator's arenas), four threads (tenants and short
# heaps come and go), two files, 10 % and 16 mappings (stacks and arenas).
awk '
  { for (i = 1; i <= 5; i++) v[NR, i] = $i }
  function median(from, to, i,    n, a, j, k, t) {
    n = 0
    for (j = from; j <= to; j++) a[++n] = v[j, i]
    for (j = 2; j <= n; j++) for (k = j; k > 1 && a[k - 1] > a[k]; k--) { t = a[k]; a[k] = a[k - 1]; a[k - 1] = t }
    return a[int((n + 1) / 2)]
  }
  END {
    if (NR < 16) { printf "soak: FAILED: only %d samples\n", NR; exit 1 }
    split("rss_kib threads files mappings", name, " ")
    split("0.15 0 0 0.10", share, " "); split("8192 4 2 16", plus, " ")
    printf "%-10s %9s %9s %9s %9s %9s  %s\n", "median", "1st", "2nd", "3rd", "4th", "allowed", "verdict"
    for (i = 1; i <= 4; i++) {
      for (q = 1; q <= 4; q++) m[q] = median(int((q - 1) * NR / 4) + 1, int(q * NR / 4), i)
      allowed = int(m[2] * (1 + share[i]) + plus[i])
      good = m[4] <= allowed
      if (!good) bad = 1
      printf "%-10s %9d %9d %9d %9d %9d  %s\n", name[i], m[1], m[2], m[3], m[4], allowed, good ? "flat" : "GROWS"
    }
    for (q = 1; q <= 4; q++) m[q] = median(int((q - 1) * NR / 4) + 1, int(q * NR / 4), 5)
    printf "%-10s %9d %9d %9d %9d %9s  %s\n", "load x 100", m[1], m[2], m[3], m[4], "-", "not judged"
    printf "soak: %s, %d samples\n", bad ? "FAILED" : "ok", NR
    exit bad
  }' "$samples"

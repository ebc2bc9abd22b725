package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"runtime"
	"strings"
	"testing"
)

// runLine runs one command line.
func runLine(t *testing.T, line string) *report {
	t.Helper()
	a, err := parse(strings.Fields(line))
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	r, err := run(a)
	if err != nil {
		t.Fatalf("%s: %v", line, err)
	}
	return r
}

func TestEveryWorkloadChecksItself(t *testing.T) {
	const measured, percentiles = "wall_s cpu_s rss_mb cycles checksum", "p50_us p99_us p999_us p9999_us max_us"
	for _, c := range []struct{ line, keys, checksum string }{
		{"alloc --n 3001 --threads 2", "n ns_per_op", "3001"},
		{"btree --depth 7 --threads 2", "depth", "8798"},
		{"btree --depth 8", "depth", "25774"},
		{"gcbench --n 1", "n run_s", "480561"},
		{"mark --n 1001", "order n median_ms mnodes_per_s", "500500"},
		{"mark --n 1000 --order shuffled", "order n median_ms mnodes_per_s", "499500"},
		{"window --n 1500", "n " + percentiles, "191784960"},
		{"mutate --n 100 --seconds 0.02", "n ops mops_per_s " + percentiles, ""},
		{"mutate --n 100 --seconds 0.02 --threads 2 --pin", "n ops mops_per_s " + percentiles, "100"},
		{"lru --n 1000 --seconds 0.1", "n ops mops_per_s hit_rate " + percentiles, "1024"},
	} {
		r := runLine(t, c.line)
		keys := make([]string, len(r.pairs))
		for i, p := range r.pairs {
			keys[i] = p.key
		}
		if got, want := strings.Join(keys, " "), "workload engine threads "+c.keys+" "+measured; got != want {
			t.Errorf("%s: keys %s, not %s", c.line, got, want)
		}
		if got := r.pairs[len(keys)-1].value; c.checksum != "" && got != c.checksum {
			t.Errorf("%s: checksum %s, not %s", c.line, got, c.checksum)
		}
	}
}

func TestWrongChecksumIsAnError(t *testing.T) {
	r := &report{}
	err := check(r, 1, 2)
	if err == nil || err.Error() != "wrong checksum: 1, expected 2" {
		t.Error(err)
	}
	if len(r.pairs) != 0 {
		t.Error("a wrong checksum was reported")
	}
}

// The values in the next three tests are from runs of gc-bench, the Rust program.

func TestMutateIsThatOfRust(t *testing.T) {
	for _, c := range []struct {
		n   int
		ops uint64
		sum uint64
	}{{1000, 400_912, 5003629580221722093}, {100, 610_832, 16397816455084633589}} {
		table, random := newPlainTable(c.n), newRandom(seed(0))
		shared, sharedRandom := newSharedTable(c.n), newRandom(seed(0))
		for first := uint64(0); first < c.ops; first += mutateBatch {
			table.batch(&random, first)
			shared.batch(&sharedRandom, first)
		}
		slots, sharedSlots := make([]content, c.n), make([]content, c.n)
		for i := range slots {
			slots[i], sharedSlots[i] = table.slot(i), shared.slot(i)
		}
		for name, sum := range map[string]uint64{
			"plain": hash(slots), "shared": hash(sharedSlots), "replay": hash(replay(c.n, c.ops)),
		} {
			if sum != c.sum {
				t.Errorf("%s, %d operations on %d slots: %d, not %d", name, c.ops, c.n, sum, c.sum)
			}
		}
	}
}

func TestGraphIsThatOfRust(t *testing.T) {
	for order, expected := range map[string]uint64{
		sequential: 10215093055337085163, shuffled: 12768588188069540403,
	} {
		if _, edges := walkGraph(buildGraph(1001, order)); edges != expected {
			t.Errorf("%s: %d, not %d", order, edges, expected)
		}
	}
}

func TestCacheIsThatOfRust(t *testing.T) {
	const n = 10_000
	zipf, c, random := newZipf(4*n), newCache(n), newRandom(seed(0))
	c.fill(n)
	var sum tally
	for range 100_000 {
		c.lookUp(zipf.draw(&random), &sum)
	}
	if sum != (tally{hits: 83_356}) {
		t.Errorf("%+v", sum)
	}
}

func TestLeastRecentEntryLeaves(t *testing.T) {
	c := newCache(2 << shardBits)
	var keys []uint64 // The first keys of shard 0, which holds two.
	for key := uint64(0); len(keys) < 3; key++ {
		if mix(key)>>(64-shardBits) == 0 {
			keys = append(keys, key)
		}
	}
	for i, step := range []struct {
		key  uint64
		hits uint64
	}{{0, 0}, {1, 0}, {0, 1}, {2, 0}, {0, 1}, {2, 1}, {1, 0}, {0, 0}} {
		var sum tally
		c.lookUp(keys[step.key], &sum)
		if sum != (tally{hits: step.hits}) {
			t.Errorf("step %d: %+v", i, sum)
		}
	}
	if c[0].intact() != 2 || c[1].intact() != 0 {
		t.Errorf("%d and %d entries", c[0].intact(), c[1].intact())
	}
}

func TestWrongValueIsSeen(t *testing.T) {
	c := newCache(1 << shardBits)
	var sum tally
	c.lookUp(7, &sum)
	s := c[mix(7)>>(64-shardBits)]
	s.first.value[0]++
	c.lookUp(7, &sum)
	if (sum != tally{1, 1}) || s.intact() != 0 {
		t.Errorf("%+v, %d intact", sum, s.intact())
	}
}

func TestEveryNodeIsOnTheHeap(t *testing.T) {
	for _, c := range []struct {
		line  string
		nodes uint64
	}{
		{"alloc --n 100000", 100_000},
		{"btree --depth 8", 25_774},
		// What the trees of the loops, the stretch tree and the long-lived one hold.
		{"gcbench --n 1", gcBenchNodes()},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		runLine(t, c.line)
		runtime.ReadMemStats(&after)
		if got := after.Mallocs - before.Mallocs; got < c.nodes || got > c.nodes+1000 {
			t.Errorf("%s: %d allocations for %d nodes", c.line, got, c.nodes)
		}
	}
}

func gcBenchNodes() uint64 {
	nodes := treeSize(stretchDepth) + treeSize(longLivedDepth)
	for d := leastDepth; d <= mostDepth; d += 2 {
		nodes += 2 * (2 * treeSize(stretchDepth) / treeSize(d)) * treeSize(d)
	}
	return nodes
}

func TestHistogramKeepsThreeDigits(t *testing.T) {
	l := newLatencies()
	for ns := int64(1); ns <= 1_000_000; ns++ {
		l.record(ns)
	}
	other := newLatencies()
	other.record(1e12)
	l.merge(other)
	for q, expected := range map[float64]float64{0.001: 1, 0.5: 500, 0.99: 990, 0.999: 999, 1: 6e7} {
		if got := l.quantile(q); got < expected || got > expected*1.001 {
			t.Errorf("%v: %v, not %v", q, got, expected)
		}
	}
	for _, ns := range []uint64{0, 1, 2047, 2048, 4095, 4096, 123_456_789, mostLatency} {
		if bucket := bucketOf(ns); highest(bucket) < ns || bucket > 0 && highest(bucket-1) >= ns {
			t.Errorf("%d ns is in bucket %d, up to %d", ns, bucket, highest(bucket))
		}
	}
	allocations := testing.AllocsPerRun(100, func() { l.record(5) })
	if allocations != 0 {
		t.Errorf("%v allocations for each record", allocations)
	}
}

func TestBothFormsHaveTheSameKeys(t *testing.T) {
	r := &report{}
	r.text("workload", "alloc")
	r.count("checksum", 1<<63)
	r.number("wall_s", 1)
	if got := r.line(); got != "workload=alloc checksum=9223372036854775808 wall_s=1.000" {
		t.Error(got)
	}
	var parsed map[string]any
	if err := json.Unmarshal([]byte(r.json()), &parsed); err != nil || len(parsed) != 3 {
		t.Errorf("%s: %v", r.json(), err)
	}
}

func TestPinnedThreadsSpread(t *testing.T) {
	masks := onThreads(len(cores), true, func(int) []int { return allowedCores() })
	for i, mask := range masks {
		if len(mask) != 1 || mask[0] != cores[i] {
			t.Errorf("mutator %d is on cores %v, not %d", i, mask, cores[i])
		}
	}
}

func TestCommandLines(t *testing.T) {
	a, err := parse(strings.Fields("mutate --n=1_000 --seconds 0.5 --threads 2 --gc-percent 50 --procs 1 --pin --json"))
	expected := args{"mutate", 1000, 2, 0.5, 18, sequential, 50, 1, true, true}
	if err != nil || *a != expected {
		t.Errorf("%+v: %v", a, err)
	}
	if _, err := parse([]string{"alloc", "--help"}); err != flag.ErrHelp {
		t.Error(err)
	}
	for line, part := range map[string]string{
		"":                        "no workload given",
		"nothing":                 "workload is one of alloc",
		"alloc --n":               "needs an argument",
		"alloc --n 0":             "--n is from 1",
		"alloc --n x":             "invalid value",
		"alloc --depth 8":         "not defined: -depth",
		"alloc --n 1 --threads 2": "more than --n",
		"alloc 5":                 "no option",
		"mark --order random":     "--order is one of",
		"mutate --seconds NaN":    "--seconds is from",
		"mutate --procs 0":        "--procs is from",
		"lru --gc-percent -1":     "--gc-percent is from",
	} {
		if _, err := parse(strings.Fields(line)); err == nil || !strings.Contains(fmt.Sprint(err), part) {
			t.Errorf("%s: %v", line, err)
		}
	}
}

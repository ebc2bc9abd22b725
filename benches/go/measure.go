package main

// Clocks and gauges: wall and CPU time, resident memory, collections, and histograms of latencies.

import (
	"math"
	"math/bits"
	"runtime/debug"
	"slices"
	"syscall"
	"time"
)

// started is what clock counts from. With it, a reading is one call of the monotonic clock: time.Now reads two clocks.
var started = time.Now()

// clock gives the nanoseconds since the program's start.
func clock() int64 {
	return int64(time.Since(started))
}

// stopwatch runs over wall time and the CPU time of the whole process.
type stopwatch struct {
	wall int64
	cpu  float64
}

// elapsed is what a stopwatch saw.
type elapsed struct {
	wall float64
	// User and system, of all threads: the collector's too.
	cpu float64
	// The peak resident memory of the process by then, in bytes: what checks the result comes later.
	peakRSS float64
}

func startWatch() stopwatch {
	cpu, _ := usage()
	return stopwatch{clock(), cpu}
}

func (w stopwatch) stop() elapsed {
	wall := float64(clock()-w.wall) / 1e9
	cpu, peakRSS := usage()
	return elapsed{wall, cpu - w.cpu, peakRSS}
}

// usage gives the CPU seconds and peak resident bytes of this process.
func usage() (cpu, peakRSS float64) {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err) // It has no reason to fail with these arguments.
	}
	seconds := func(t syscall.Timeval) float64 { return float64(t.Sec) + float64(t.Usec)/1e6 }
	// Linux counts Maxrss in units of 1024 bytes.
	return seconds(u.Utime) + seconds(u.Stime), float64(u.Maxrss) * 1024
}

// cycles gives the number of collections so far.
func cycles() uint64 {
	var stats debug.GCStats
	debug.ReadGCStats(&stats)
	return uint64(stats.NumGC)
}

// median gives the middle value, the upper one of two.
func median(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}

const (
	// subBuckets of one power of two; half of 2048, the next power above 2 * 10^3: three significant digits.
	subBuckets = 1024
	// A latency above a minute counts as a minute.
	mostLatency = 60_000_000_000
)

// latencies is a histogram of nanoseconds to three significant digits. Its buckets are those of HdrHistogram, which
// gc-bench uses: exact below 2048, then 1024 of equal width for each power of two.
type latencies struct {
	counts []uint64
	total  uint64
}

func newLatencies() *latencies {
	return &latencies{counts: make([]uint64, bucketOf(mostLatency)+1)}
}

func bucketOf(ns uint64) int {
	shift := max(bits.Len64(ns/(2*subBuckets)), 0)
	return shift*subBuckets + int(ns>>shift)
}

// highest gives the largest latency that falls into a bucket.
func highest(bucket int) uint64 {
	shift := max(bucket/subBuckets-1, 0)
	return uint64(bucket-shift*subBuckets+1)<<shift - 1
}

func (l *latencies) record(ns int64) {
	l.counts[bucketOf(min(uint64(ns), mostLatency))]++
	l.total++
}

// merge adds what other recorded.
func (l *latencies) merge(other *latencies) {
	for bucket, count := range other.counts {
		l.counts[bucket] += count
	}
	l.total += other.total
}

// quantile gives the latency in microseconds that the share q of all stayed at or below.
func (l *latencies) quantile(q float64) float64 {
	rank := max(uint64(math.Ceil(q*float64(l.total))), 1)
	var seen uint64
	for bucket, count := range l.counts {
		if seen += count; seen >= rank {
			return float64(highest(bucket)) / 1e3
		}
	}
	return 0
}

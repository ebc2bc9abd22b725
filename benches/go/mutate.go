package main

// mutate: a live table of K nodes {next, val, three more words}, changed for S seconds.
//
// An operation picks a random slot, allocates a node whose next is the current node of another random slot (that node's
// own next is cut first, so chains stay short), and stores it in the slot. A batch of 16 is timed. T mutators share the
// table: with one it holds plain pointers, with several atomic ones, as Go's memory model asks.
//
// The words of every node reachable at the end must agree with its val, and the table must be full. With one mutator
// the run is also played again on plain integers, and every val and next must be the same; the checksum is then a hash
// of the whole table. With several it is the number of slots.

import (
	"math"
	"math/bits"
)

const (
	// mutateBatch is the number of operations timed together.
	mutateBatch = 16
	// noVal is the next that no node has.
	noVal = math.MaxUint64
)

// content is what a slot holds: the val of its node and of that node's next (noVal without).
type content struct {
	val, next uint64
}

// broken is what is said of a slot that is not as it must be.
var broken = content{noVal, noVal}

// table is what the mutators share.
type table interface {
	// batch does mutateBatch operations; the new nodes get the values from first up.
	batch(r *random, first uint64)
	// slot gives the content of slot i, broken if it is not intact.
	slot(i int) content
}

func runMutate(a *args, r *report) error {
	t := newTable(a.n, a.threads)
	watch := startWatch()
	parts := onThreads(a.threads, a.pin, func(thread int) played {
		return play(t, uint64(thread), a.seconds)
	})
	elapsed := watch.stop()
	var ops uint64
	latencies := newLatencies()
	for _, part := range parts {
		ops += part.ops
		latencies.merge(part.latencies)
	}
	r.count("n", uint64(a.n))
	r.count("ops", ops)
	r.number("mops_per_s", float64(ops)/elapsed.wall/1e6)
	r.latencies(latencies)
	r.run(elapsed)
	slots := make([]content, a.n)
	for i := range slots {
		slots[i] = t.slot(i)
	}
	if a.threads == 1 {
		return check(r, hash(slots), hash(replay(a.n, ops)))
	}
	var intact uint64
	for _, slot := range slots {
		if slot != broken {
			intact++
		}
	}
	return check(r, intact, uint64(a.n))
}

// played is what one mutator did.
type played struct {
	ops       uint64
	latencies *latencies
}

// play does the operations of one thread until the time is over.
func play(t table, thread uint64, seconds float64) played {
	random, p := newRandom(seed(thread)), played{0, newLatencies()}
	end := clock() + int64(seconds*1e9)
	for {
		start := clock()
		t.batch(&random, thread<<48+p.ops)
		now := clock()
		p.latencies.record(now - start)
		p.ops += mutateBatch
		if now >= end {
			return p
		}
	}
}

func seed(thread uint64) uint64 {
	return 1000 + thread
}

// initial gives the val of slot i before the first operation: none that an operation gives.
func initial(i int) uint64 {
	return 1<<63 + uint64(i)
}

// wordsOf gives the three more words of a node.
func wordsOf(val uint64) [3]uint64 {
	return [3]uint64{^val, bits.RotateLeft64(val, 17), mix(val)}
}

func hash(slots []content) uint64 {
	var hash uint64
	for _, slot := range slots {
		hash = mix(hash ^ mix(slot.val) ^ bits.RotateLeft64(slot.next, 32))
	}
	return hash
}

// replay is the run of thread 0 once more, on plain integers.
func replay(n int, ops uint64) []content {
	slots := make([]content, n)
	for i := range slots {
		slots[i] = content{initial(i), noVal}
	}
	random := newRandom(seed(0))
	for val := range ops {
		i, j := random.below(n), random.below(n)
		slots[j].next = noVal
		slots[i] = content{val, slots[j].val}
	}
	return slots
}

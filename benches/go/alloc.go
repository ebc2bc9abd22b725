package main

// alloc: N garbage nodes {left, right} of 16 bytes, only the last one alive; split over T threads.
//
// The checksum counts the nodes, batch by batch, and counts a batch only if the node that it left alive still has its
// two nils after the next one.

// allocBatch is the number of allocations after which the survivor is looked at.
const allocBatch = 256

type pairNode struct {
	left, right *pairNode
}

// keeper keeps the last node of a thread alive.
type keeper struct {
	last *pairNode
}

func runAlloc(a *args, r *report) error {
	watch := startWatch()
	counts := onThreads(a.threads, a.pin, func(i int) uint64 {
		// The first threads take one more where N does not divide.
		n := a.n / a.threads
		if i < a.n%a.threads {
			n++
		}
		return allocate(&keeper{&pairNode{}}, n)
	})
	elapsed := watch.stop()
	r.count("n", uint64(a.n))
	r.number("ns_per_op", elapsed.wall*1e9/float64(a.n))
	r.run(elapsed)
	var sum uint64
	for _, count := range counts {
		sum += count
	}
	return check(r, sum, uint64(a.n))
}

// allocate makes n nodes. It is not inlined: a keeper that the compiler knew to be local would take the nodes with it
// to the stack.
//
//go:noinline
func allocate(k *keeper, n int) uint64 {
	var count uint64
	for left := n; left > 0; left -= allocBatch {
		batch := min(left, allocBatch)
		intact := k.last.left == nil && k.last.right == nil
		var last *pairNode
		for range batch {
			last = &pairNode{}
		}
		k.last = last
		if intact {
			count += uint64(batch)
		}
	}
	return count
}

package main

// mark: a live random graph of N nodes {a, b, payload} of 24 bytes, then five forced full collections.
//
// One live array holds all nodes; a and b of each point to uniformly random ones. With --order sequential the array
// lists the nodes in the order in which they were allocated, so the marker walks memory in order; with shuffled it is a
// random permutation of that order. The time of a collection includes its sweep: runtime.GC waits for it.
//
// The checksum adds up the payloads, 0 to N-1, seen through the array, and is right only if the edges lead to the same
// payloads after the collections as before.

import (
	"errors"
	"runtime"
)

const collections = 5

type vertex struct {
	a, b    *vertex
	payload uint64
}

func runMark(a *args, r *report) error {
	watch := startWatch()
	graph := buildGraph(a.n, a.order)
	payloads, edges := walkGraph(graph)
	var times []float64
	for range collections {
		start := clock()
		runtime.GC()
		times = append(times, float64(clock()-start)/1e9)
	}
	elapsed := watch.stop()
	seconds := median(times)
	r.text("order", a.order)
	r.count("n", uint64(a.n))
	r.number("median_ms", seconds*1e3)
	r.number("mnodes_per_s", float64(a.n)/seconds/1e6)
	r.run(elapsed)
	payloadsAfter, edgesAfter := walkGraph(graph)
	if payloadsAfter != payloads || edgesAfter != edges {
		return errors.New("the graph changed")
	}
	n := uint64(a.n)
	if n%2 == 0 {
		return check(r, payloads, n/2*(n-1))
	}
	return check(r, payloads, n*(n/2))
}

func buildGraph(n int, order string) []*vertex {
	random := newRandom(42)
	graph := make([]*vertex, n)
	for i := range graph {
		graph[i] = &vertex{payload: uint64(i)}
	}
	if order == shuffled {
		// Fisher and Yates, in place: a permutation on the side would show in the resident memory.
		for i := range graph {
			j := i + random.below(n-i)
			graph[i], graph[j] = graph[j], graph[i]
		}
	}
	for _, v := range graph {
		v.a = graph[random.below(n)]
		v.b = graph[random.below(n)]
	}
	return graph
}

// walkGraph gives the sum of the payloads, and a sum over all edges of a mix of both ends.
func walkGraph(graph []*vertex) (payloads, edges uint64) {
	for _, v := range graph {
		payloads += v.payload
		edges += mix(v.payload ^ mix(v.a.payload^mix(v.b.payload)))
	}
	return payloads, edges
}

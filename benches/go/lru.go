package main

// lru: a cache of N entries under Zipf-distributed keys, shared by T threads for S seconds.
//
// 64 shards, each with a lock, a chained hash table with a fixed number of buckets, and a doubly linked recency list,
// hold N/64 entries each. A key of 4N is drawn with skew 0.99 and looked up. A hit checks the first and the last byte
// and the length of the value and moves the entry to the front. A miss makes the value, 64 to 512 bytes, and the entry;
// the last entry of a shard that is then over its capacity leaves it. A batch of 16 operations is timed, draws
// included. The keys N-1 to 0 are looked up before the clock starts, which fills the cache but for the few shards to
// which fewer keys belong; misses fill those.
//
// The hash table is written by hand, so that collectors are compared and not maps.
//
// The checksum counts the entries that are intact at the end: the list runs the same way in both directions, the value
// is that of the key, and the table finds the entry again. It must be the sum of the capacities.

import (
	"fmt"
	"math/bits"
	"sync"
)

const (
	// lruBatch is the number of operations timed together.
	lruBatch = 16
	// shardBits of a key's hash choose its shard.
	shardBits  = 6
	leastValue = 64
	mostValue  = 512
)

type entry struct {
	key   uint64
	value []byte
	// Towards the front of the recency list, and towards its end.
	prev, next *entry
	// The next entry of the bucket.
	chain *entry
}

// shard is a part of the cache. The entry used last is the first of its list.
type shard struct {
	sync.Mutex
	buckets     []*entry
	first, last *entry
	len         int
	capacity    int
}

type cache [1 << shardBits]*shard

func newCache(n int) *cache {
	c := &cache{}
	capacity := (n + len(c) - 1) / len(c)
	// The next power of two.
	buckets := 1 << bits.Len(uint(capacity-1))
	for i := range c {
		c[i] = &shard{buckets: make([]*entry, buckets), capacity: capacity}
	}
	return c
}

// tally is what some lookups gave.
type tally struct {
	hits uint64
	// Hits whose value was not that of the key.
	broken uint64
}

func runLRU(a *args, r *report) error {
	zipf := newZipf(4 * uint64(a.n))
	c := newCache(a.n)
	c.fill(a.n)
	watch := startWatch()
	parts := onThreads(a.threads, a.pin, func(thread int) lookedUp {
		return lookUp(c, zipf, newRandom(seed(uint64(thread))), a.seconds)
	})
	elapsed := watch.stop()
	var ops uint64
	var t tally
	latencies := newLatencies()
	for _, part := range parts {
		ops += part.ops
		t.hits += part.tally.hits
		t.broken += part.tally.broken
		latencies.merge(part.latencies)
	}
	if t.broken > 0 {
		return fmt.Errorf("%d hits found a wrong value", t.broken)
	}
	r.count("n", uint64(a.n))
	r.count("ops", ops)
	r.number("mops_per_s", float64(ops)/elapsed.wall/1e6)
	r.number("hit_rate", float64(t.hits)/float64(ops))
	r.latencies(latencies)
	r.run(elapsed)
	var intact, capacity uint64
	for _, s := range c {
		intact += s.intact()
		capacity += uint64(s.capacity)
	}
	return check(r, intact, capacity)
}

// lookedUp is what one thread did.
type lookedUp struct {
	ops       uint64
	tally     tally
	latencies *latencies
}

// lookUp does the operations of one thread until the time is over.
func lookUp(c *cache, zipf zipf, random random, seconds float64) lookedUp {
	l := lookedUp{latencies: newLatencies()}
	end := clock() + int64(seconds*1e9)
	for {
		start := clock()
		for range lruBatch {
			c.lookUp(zipf.draw(&random), &l.tally)
		}
		now := clock()
		l.latencies.record(now - start)
		l.ops += lruBatch
		if now >= end {
			return l
		}
	}
}

// fill looks the keys n-1 to 0 up.
func (c *cache) fill(n int) {
	var t tally
	for key := n; key > 0; key-- {
		c.lookUp(uint64(key-1), &t)
	}
}

func (c *cache) lookUp(key uint64, t *tally) {
	s := c[mix(key)>>(64-shardBits)]
	s.Lock()
	defer s.Unlock()
	bucket := s.bucket(key)
	if e := find(*bucket, key); e != nil {
		t.hit(key, e.value)
		s.unlink(e)
		s.push(e)
		return
	}
	e := &entry{key: key, value: valueOf(key), chain: *bucket}
	*bucket = e
	s.push(e)
	s.len++
	if s.len > s.capacity {
		last := s.last
		s.unlink(last)
		s.len--
		s.unchain(last)
	}
}

// hit counts a hit.
func (t *tally) hit(key uint64, value []byte) {
	t.hits++
	b := byte(key)
	if len(value) != lengthOf(key) || value[0] != b || value[len(value)-1] != b {
		t.broken++
	}
}

// find gives the entry of a key in a chain, nil if there is none.
func find(e *entry, key uint64) *entry {
	for e != nil && e.key != key {
		e = e.chain
	}
	return e
}

// unchain takes an entry out of the table.
func (s *shard) unchain(e *entry) {
	link := s.bucket(e.key)
	for *link != e {
		link = &(*link).chain
	}
	*link = e.chain
}

func (s *shard) bucket(key uint64) **entry {
	return &s.buckets[mix(key)&uint64(len(s.buckets)-1)]
}

// push puts an entry at the front of the recency list.
func (s *shard) push(e *entry) {
	e.prev, e.next = nil, s.first
	if s.first == nil {
		s.last = e
	} else {
		s.first.prev = e
	}
	s.first = e
}

// unlink takes an entry out of the recency list.
func (s *shard) unlink(e *entry) {
	if e.prev == nil {
		s.first = e.next
	} else {
		e.prev.next = e.next
	}
	if e.next == nil {
		s.last = e.prev
	} else {
		e.next.prev = e.prev
	}
}

// intact gives the number of entries in the list that are as they must be; none if the list itself is not.
func (s *shard) intact() uint64 {
	var count uint64
	var prev *entry
	e := s.first
	for i := 0; i < s.len && e != nil; i++ {
		if isValueOf(e.key, e.value) && e.prev == prev && find(*s.bucket(e.key), e.key) == e {
			count++
		}
		prev, e = e, e.next
	}
	if e != nil || prev != s.last {
		return 0
	}
	return count
}

func valueOf(key uint64) []byte {
	value := make([]byte, lengthOf(key))
	fill(value, byte(key))
	return value
}

func lengthOf(key uint64) int {
	return leastValue + int(mix(key)%(mostValue-leastValue+1))
}

// isValueOf tells whether a value is, to its last byte, that of its key.
func isValueOf(key uint64, value []byte) bool {
	for _, b := range value {
		if b != byte(key) {
			return false
		}
	}
	return len(value) == lengthOf(key)
}

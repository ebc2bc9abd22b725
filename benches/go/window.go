package main

// window: a ring of 200,000 live messages, each a fresh 1 KiB byte array filled with the low byte of its number; M are
// pushed. Each push (allocation, fill, store) is timed on the mutator.
//
// The checksum adds up all bytes in the ring at the end; each must be that of its message.

import (
	"encoding/binary"
	"math"
)

const (
	// windowSlots of the ring.
	windowSlots = 200_000
	messageSize = 1024
)

type message [messageSize]byte

// fill sets all of at least 64 bytes to b. Go has no memset but for zero; words and then a copy that doubles are its
// fastest loop.
func fill(bytes []byte, b byte) {
	word := uint64(b) * 0x0101_0101_0101_0101
	for i := 0; i < 64; i += 8 {
		binary.NativeEndian.PutUint64(bytes[i:], word)
	}
	for done := 64; done < len(bytes); done *= 2 {
		copy(bytes[done:], bytes[:done])
	}
}

// sum adds up the bytes of message i, or gives what no message has.
func (m *message) sum(i int) uint64 {
	var sum uint64
	for _, b := range m {
		if b != byte(i) {
			return math.MaxUint32
		}
		sum += uint64(b)
	}
	return sum
}

func runWindow(a *args, r *report) error {
	ring := make([]*message, windowSlots)
	latencies := newLatencies()
	watch := startWatch()
	for i := range a.n {
		start := clock()
		m := new(message)
		fill(m[:], byte(i))
		ring[i%windowSlots] = m
		latencies.record(clock() - start)
	}
	elapsed := watch.stop()
	r.count("n", uint64(a.n))
	r.latencies(latencies)
	r.run(elapsed)
	var sum, expected uint64
	for i := max(a.n-windowSlots, 0); i < a.n; i++ {
		sum += ring[i%windowSlots].sum(i)
		expected += uint64(byte(i)) * messageSize
	}
	return check(r, sum, expected)
}

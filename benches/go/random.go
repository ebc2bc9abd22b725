package main

// A small, fast, seeded source of random numbers: that of gc-bench (random.rs), so that both draw the same.

import "math/bits"

// random is xorshift64* (Vigna, 2014), seeded through splitmix64 so that near seeds give far apart streams.
type random struct {
	state uint64
}

func newRandom(seed uint64) random {
	// An all-zero state would stay zero; splitmix64 maps exactly one seed to it.
	return random{max(mix(seed), 1)}
}

// next gives 64 bits.
func (r *random) next() uint64 {
	x := r.state
	x ^= x >> 12
	x ^= x << 25
	x ^= x >> 27
	r.state = x
	return x * 0x2545_F491_4F6C_DD1D
}

// below gives a number below bound, by multiply and shift: no division.
func (r *random) below(bound int) int {
	high, _ := bits.Mul64(r.next(), uint64(bound))
	return int(high)
}

// mix is one step of splitmix64: it spreads the bits of x.
func mix(x uint64) uint64 {
	x += 0x9E37_79B9_7F4A_7C15
	x = (x ^ x>>30) * 0xBF58_476D_1CE4_E5B9
	x = (x ^ x>>27) * 0x94D0_49BB_1331_11EB
	return x ^ x>>31
}

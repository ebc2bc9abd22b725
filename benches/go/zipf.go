package main

// Zipf-distributed ranks by the method of Gray et al. ("Quickly generating billion-record synthetic databases", 1994),
// as YCSB has it: one uniform number and at most one power for each draw.

import "math"

// skew is that of YCSB.
const skew = 0.99

// zipf is the distribution over the ranks 0 to n-1; rank 0 is drawn most often.
type zipf struct {
	n, zetaN, zeta2, alpha, eta float64
}

// newZipf sums zeta(n), which takes a while: once for all threads.
func newZipf(n uint64) zipf {
	zeta := func(n uint64) float64 {
		var sum float64
		for i := range n {
			sum += math.Pow(float64(i+1), -skew)
		}
		return sum
	}
	zetaN, zeta2 := zeta(n), zeta(2)
	eta := (1 - math.Pow(2/float64(n), 1-skew)) / (1 - zeta2/zetaN)
	return zipf{float64(n), zetaN, zeta2, 1 / (1 - skew), eta}
}

// draw gives the next rank.
func (z *zipf) draw(r *random) uint64 {
	u := float64(r.next()>>11) / (1 << 53)
	switch uz := u * z.zetaN; {
	case uz < 1:
		return 0
	case uz < z.zeta2:
		return 1
	}
	// The power in a form that takes half the time of Go's math.Pow, which would be most of a draw.
	rank := z.n * math.Exp(z.alpha*math.Log(z.eta*u-z.eta+1))
	// Rounding may reach n itself.
	return uint64(min(rank, z.n-1))
}

package main

// The result of one run: key=value pairs on one line, or one JSON object with the same keys.

import (
	"fmt"
	"strconv"
	"strings"
)

// mb is the unit in which memory is reported.
const mb = 1 << 20

// report holds the keys and values of one run, in the order in which they were added.
type report struct {
	pairs []pair
}

type pair struct {
	key, value string
	isText     bool
}

func (r *report) count(key string, value uint64) {
	r.pairs = append(r.pairs, pair{key: key, value: strconv.FormatUint(value, 10)})
}

// number adds a measurement, to three decimals.
func (r *report) number(key string, value float64) {
	r.pairs = append(r.pairs, pair{key: key, value: strconv.FormatFloat(value, 'f', 3, 64)})
}

// text adds a name. Names here are plain words, which JSON quotes as Go does.
func (r *report) text(key, value string) {
	r.pairs = append(r.pairs, pair{key, value, true})
}

// run adds what every run measures; the collections are those since the program's start.
func (r *report) run(e elapsed) {
	r.number("wall_s", e.wall)
	r.number("cpu_s", e.cpu)
	r.number("rss_mb", e.peakRSS/mb)
	r.count("cycles", cycles())
}

// latencies adds the percentiles of a mutator's own timing.
func (r *report) latencies(l *latencies) {
	r.number("p50_us", l.quantile(0.5))
	r.number("p99_us", l.quantile(0.99))
	r.number("p999_us", l.quantile(0.999))
	r.number("p9999_us", l.quantile(0.9999))
	r.number("max_us", l.quantile(1))
}

func (r *report) line() string {
	return r.join(" ", func(p pair) string { return p.key + "=" + p.value })
}

func (r *report) json() string {
	return "{" + r.join(",", func(p pair) string {
		if p.isText {
			return fmt.Sprintf("%q:%q", p.key, p.value)
		}
		return fmt.Sprintf("%q:%s", p.key, p.value)
	}) + "}"
}

func (r *report) join(separator string, form func(pair) string) string {
	words := make([]string, len(r.pairs))
	for i, p := range r.pairs {
		words[i] = form(p)
	}
	return strings.Join(words, separator)
}

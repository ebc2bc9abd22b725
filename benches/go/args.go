package main

// The command line: the workload, and the options that it has.

import (
	"flag"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"
)

const help = `gc-bench-go: the workloads of gc-bench under Go's collector

usage: gc-bench-go WORKLOAD [OPTION ...]

workloads, and the options of each with their defaults
  alloc    garbage nodes of 16 bytes           --n 100000000 nodes  --threads 1
  btree    binary-trees                        --depth 18  --threads 1
  gcbench  Boehm, Ellis and Kovac's GCBench    --n 5 runs
  mark     collections of a live random graph  --n 10000000 nodes  --order sequential
  window   a ring of 200,000 live messages     --n 5000000 pushes
  mutate   random stores into a live table     --n 2000000 nodes  --seconds 20  --threads 1
  lru      a cache under Zipf's keys           --n 1000000 entries  --seconds 20  --threads 2

options
  --n N            size of the work; what it counts depends on the workload
  --threads T      mutators, each a goroutine
  --seconds S      how long mutate and lru run
  --depth D        depth of the long-lived tree of btree
  --order O        sequential: nodes lie in memory in the order of the array; shuffled: they do not
  --gc-percent P   garbage allowed for 100 live bytes (the default is GOGC or 100)
  --procs P        threads that run Go code, markers included (the default is GOMAXPROCS or the cores)
  --pin            mutators on the first cores, one each
  --json           one JSON object instead of one line of key=value
  --help           this text

exit code: 0 good, 1 a wrong checksum or a failed run, 2 a wrong command line
`

// args is a parsed and checked command line.
type args struct {
	workload string
	n        int
	threads  int
	seconds  float64
	depth    int
	order    string
	// Negative where the command line does not say.
	gcPercent int
	// Zero where the command line does not say.
	procs int
	pin   bool
	json  bool
}

// The orders of mark.
const (
	sequential = "sequential"
	shuffled   = "shuffled"
)

// workload is what runs, and the options that it has beside those of all.
type workload struct {
	run     func(*args, *report) error
	options []string
	n       int
	threads int
}

var workloads = map[string]workload{
	"alloc":   {runAlloc, []string{"n", "threads"}, 100_000_000, 1},
	"btree":   {runBtree, []string{"depth", "threads"}, 1, 1},
	"gcbench": {runGCBench, []string{"n"}, 5, 1},
	"mark":    {runMark, []string{"n", "order"}, 10_000_000, 1},
	"window":  {runWindow, []string{"n"}, 5_000_000, 1},
	"mutate":  {runMutate, []string{"n", "threads", "seconds"}, 2_000_000, 1},
	"lru":     {runLRU, []string{"n", "threads", "seconds"}, 1_000_000, 2},
}

// parse reads the words after the program's name; flag.ErrHelp if they ask for help.
func parse(words []string) (*args, error) {
	for _, word := range words {
		if word == "--help" || word == "-help" || word == "-h" {
			return nil, flag.ErrHelp
		}
	}
	names := strings.Join(slices.Sorted(maps.Keys(workloads)), ", ")
	if len(words) == 0 {
		return nil, fmt.Errorf("no workload given; one of %s", names)
	}
	w, ok := workloads[words[0]]
	if !ok {
		return nil, fmt.Errorf("workload is one of %s, not %q", names, words[0])
	}
	a := &args{
		workload:  words[0],
		n:         w.n,
		threads:   w.threads,
		seconds:   20,
		depth:     18,
		order:     sequential,
		gcPercent: -1,
	}
	flags := flag.NewFlagSet(a.workload, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	flags.IntVar(&a.gcPercent, "gc-percent", a.gcPercent, "")
	flags.IntVar(&a.procs, "procs", a.procs, "")
	flags.BoolVar(&a.pin, "pin", a.pin, "")
	flags.BoolVar(&a.json, "json", a.json, "")
	for _, option := range w.options {
		switch option {
		case "n":
			flags.IntVar(&a.n, option, a.n, "")
		case "threads":
			flags.IntVar(&a.threads, option, a.threads, "")
		case "seconds":
			flags.Float64Var(&a.seconds, option, a.seconds, "")
		case "depth":
			flags.IntVar(&a.depth, option, a.depth, "")
		case "order":
			flags.StringVar(&a.order, option, a.order, "")
		}
	}
	if err := flags.Parse(words[1:]); err != nil {
		return nil, fmt.Errorf("%s: %w; see --help", a.workload, err)
	}
	if flags.NArg() > 0 {
		return nil, fmt.Errorf("%q is no option; see --help", flags.Arg(0))
	}
	given := map[string]bool{}
	flags.Visit(func(f *flag.Flag) { given[f.Name] = true })
	return a, a.check(given)
}

// check refuses what is out of bounds.
func (a *args) check(given map[string]bool) error {
	for _, c := range []struct {
		option             string
		value, least, most int
	}{
		{"n", a.n, 1, 1 << 40},
		{"threads", a.threads, 1, 1024},
		{"depth", a.depth, 4, 30},
		{"gc-percent", a.gcPercent, 0, math.MaxInt32},
		{"procs", a.procs, 1, 1024},
	} {
		if given[c.option] && (c.value < c.least || c.value > c.most) {
			return fmt.Errorf("--%s is from %d to %d, not %d", c.option, c.least, c.most, c.value)
		}
	}
	// Written so that NaN is refused too.
	if !(a.seconds >= 0.01 && a.seconds <= 86_400) {
		return fmt.Errorf("--seconds is from 0.01 to 86400, not %v", a.seconds)
	}
	if a.order != sequential && a.order != shuffled {
		return fmt.Errorf("--order is one of %s, %s, not %q", sequential, shuffled, a.order)
	}
	if a.workload == "alloc" && a.threads > a.n {
		return fmt.Errorf("--threads %d is more than --n %d", a.threads, a.n)
	}
	return nil
}

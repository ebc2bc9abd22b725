// gc-bench-go: the workloads of gc-bench under Go's collector.
//
// One run does one workload, checks its own result, and prints one line (or one JSON object) with the keys of gc-bench.
// The work is that of the Rust program: the same sizes, the same random numbers, nodes of the same words, and the same
// checksums. What each workload does is written at the head of its file.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
)

func main() {
	a, err := parse(os.Args[1:])
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Print(help)
		return
	case err != nil:
		fmt.Fprintln(os.Stderr, "gc-bench-go:", err)
		os.Exit(2)
	}
	if a.gcPercent >= 0 {
		debug.SetGCPercent(a.gcPercent)
	}
	if a.procs > 0 {
		runtime.GOMAXPROCS(a.procs)
	}
	r, err := run(a)
	if err != nil {
		fmt.Fprintf(os.Stderr, "gc-bench-go %s: %v\n", a.workload, err)
		os.Exit(1)
	}
	if a.json {
		fmt.Println(r.json())
	} else {
		fmt.Println(r.line())
	}
}

// run does the work of one command line; an error if the result is wrong.
func run(a *args) (*report, error) {
	if a.pin {
		// For what runs on this goroutine; others are pinned as they start.
		pinMutator(0)
	}
	r := &report{}
	r.text("workload", a.workload)
	r.text("engine", "go")
	r.count("threads", uint64(a.threads))
	if err := workloads[a.workload].run(a, r); err != nil {
		return nil, err
	}
	return r, nil
}

// check adds the checksum to the report, if it is what it must be.
func check(r *report, found, expected uint64) error {
	if found != expected {
		return fmt.Errorf("wrong checksum: %d, expected %d", found, expected)
	}
	r.count("checksum", found)
	return nil
}

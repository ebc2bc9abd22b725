package main

// Mutators on threads of their own, each on a core of its own when --pin asks for it.
//
// Mutator i takes the i-th core that the process may use, from the first up. The collector's workers stay free: Go runs
// them on whatever thread is idle.

import (
	"fmt"
	"os"
	"runtime"
	"sync"
	"syscall"
	"unsafe"
)

// cpuSet is the kernel's mask of cores.
type cpuSet [16]uint64

// cores are those of the process as it was started: a pinned thread sees only its own.
var cores = allowedCores()

// allowedCores gives the cores of this thread's mask, in order; none if the system does not say.
func allowedCores() []int {
	var set cpuSet
	if !affinity(syscall.SYS_SCHED_GETAFFINITY, &set) {
		return nil
	}
	var cores []int
	for core := range len(set) * 64 {
		if set[core/64]>>(core%64)&1 == 1 {
			cores = append(cores, core)
		}
	}
	return cores
}

// affinity makes one of the two system calls for the calling thread; false if it failed.
func affinity(call uintptr, set *cpuSet) bool {
	_, _, errno := syscall.RawSyscall(call, 0, unsafe.Sizeof(*set), uintptr(unsafe.Pointer(set)))
	return errno == 0
}

// pinMutator gives the calling goroutine a thread and binds it to the core of mutator i. The thread is never given back:
// it ends with the goroutine, and the runtime starts no other from it.
func pinMutator(i int) {
	if len(cores) == 0 {
		fmt.Fprintln(os.Stderr, "gc-bench-go: the system does not say which cores there are; nothing is pinned")
		return
	}
	runtime.LockOSThread()
	core := cores[i%len(cores)]
	var set cpuSet
	set[core/64] = 1 << (core % 64)
	if !affinity(syscall.SYS_SCHED_SETAFFINITY, &set) {
		fmt.Fprintf(os.Stderr, "gc-bench-go: core %d refused mutator %d; it runs unpinned\n", core, i)
	}
}

// onThreads runs work(i) on new goroutines that start together, and returns what each gave.
func onThreads[R any](threads int, pin bool, work func(i int) R) []R {
	results := make([]R, threads)
	start := make(chan struct{})
	var ready, running sync.WaitGroup
	ready.Add(threads)
	for i := range threads {
		running.Go(func() {
			if pin {
				pinMutator(i)
			}
			ready.Done()
			<-start
			results[i] = work(i)
		})
	}
	ready.Wait()
	close(start)
	running.Wait()
	return results
}

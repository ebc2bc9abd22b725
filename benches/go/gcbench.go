package main

// gcbench: GCBench of Ellis, Kovac and Boehm as published, --n times (five).
//
// A tree of depth 18 stretches the heap and dies; a tree of depth 16, made top down, and an array of 500,000 doubles
// live to the end; for depths 4, 6 ... 16 trees are made that hold 2 * 524,287 nodes between them, once top down (each
// node is stored into its parent) and once bottom up.
//
// The checksum counts the long-lived tree and the last tree of each loop, and is right only if element 1000 of the
// array is too, as the published program checks.

const (
	stretchDepth   = 18
	longLivedDepth = 16
	mostDepth      = 16
	arraySize      = 500_000
)

type benchNode struct {
	left, right *benchNode
	i, j        int32
}

func (b *benchNode) count() uint64 {
	count := uint64(1)
	if b.left != nil {
		count += b.left.count()
	}
	if b.right != nil {
		count += b.right.count()
	}
	return count
}

func (b *benchNode) populate(depth int) {
	if depth == 0 {
		return
	}
	b.left, b.right = &benchNode{}, &benchNode{}
	b.left.populate(depth - 1)
	b.right.populate(depth - 1)
}

// topDown makes a tree from its root. It is not inlined: the root would then lie on the stack.
//
//go:noinline
func topDown(depth int) *benchNode {
	root := &benchNode{}
	root.populate(depth)
	return root
}

func bottomUp(depth int) *benchNode {
	if depth == 0 {
		return &benchNode{}
	}
	return &benchNode{left: bottomUp(depth - 1), right: bottomUp(depth - 1)}
}

func runGCBench(a *args, r *report) error {
	watch := startWatch()
	var count uint64
	var walls []float64
	for range a.n {
		watch := startWatch()
		count += gcBench()
		walls = append(walls, watch.stop().wall)
	}
	elapsed := watch.stop()
	r.count("n", uint64(a.n))
	r.number("run_s", median(walls))
	r.run(elapsed)
	expected := treeSize(longLivedDepth)
	for d := leastDepth; d <= mostDepth; d += 2 {
		expected += 2 * treeSize(d)
	}
	return check(r, count, uint64(a.n)*expected)
}

// gcBench is main of the published program; it gives the checksum of one run.
func gcBench() uint64 {
	bottomUp(stretchDepth)
	longLived := topDown(longLivedDepth)
	array := make([]float64, arraySize)
	for i := range arraySize / 2 {
		array[i] = 1 / float64(i)
	}
	var count uint64
	for depth := leastDepth; depth <= mostDepth; depth += 2 {
		iterations := 2 * treeSize(stretchDepth) / treeSize(depth)
		for range iterations - 1 {
			topDown(depth)
		}
		count += topDown(depth).count()
		for range iterations - 1 {
			bottomUp(depth)
		}
		count += bottomUp(depth).count()
	}
	if array[1000] != 1/1000.0 {
		return 0
	}
	return count + longLived.count()
}

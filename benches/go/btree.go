package main

// btree: binary-trees of the Benchmarks Game at depth D.
//
// A stretch tree of depth D+1 is built, counted and dropped; a long-lived tree of depth D is kept; for d = 4, 6 ... D,
// 2^(D-d+4) trees of depth d are built and counted, the trees of each depth split over T threads. The checksum is the
// number of nodes counted.

const leastDepth = 4

type tree struct {
	left, right *tree
}

func buildTree(depth int) *tree {
	if depth == 0 {
		return &tree{}
	}
	return &tree{buildTree(depth - 1), buildTree(depth - 1)}
}

func (t *tree) count() uint64 {
	count := uint64(1)
	if t.left != nil {
		count += t.left.count()
	}
	if t.right != nil {
		count += t.right.count()
	}
	return count
}

func runBtree(a *args, r *report) error {
	watch := startWatch()
	count := playTrees(a.depth, a.threads, a.pin)
	elapsed := watch.stop()
	r.count("depth", uint64(a.depth))
	r.run(elapsed)
	expected := treeSize(a.depth+1) + treeSize(a.depth)
	for d := leastDepth; d <= a.depth; d += 2 {
		expected += uint64(trees(a.depth, d)) * treeSize(d)
	}
	return check(r, count, expected)
}

// playTrees gives the number of nodes counted.
func playTrees(depth, threads int, pin bool) uint64 {
	count := buildTree(depth + 1).count()
	kept := buildTree(depth)
	shares := onThreads(threads, pin, func(thread int) uint64 {
		var count uint64
		for d := leastDepth; d <= depth; d += 2 {
			for i := thread; i < trees(depth, d); i += threads {
				count += buildTree(d).count()
			}
		}
		return count
	})
	for _, share := range shares {
		count += share
	}
	return count + kept.count()
}

// trees gives how many trees of depth d there are.
func trees(depth, d int) int {
	return 1 << (depth - d + leastDepth)
}

// treeSize gives how many nodes a tree of depth d has.
func treeSize(d int) uint64 {
	return 1<<(d+1) - 1
}

package main

// The tables of mutate. They differ in their pointers alone; a type parameter for those would put a call in the place
// of each load and store.

import "sync/atomic"

func newTable(n, threads int) table {
	if threads == 1 {
		return newPlainTable(n)
	}
	return newSharedTable(n)
}

// plainNode is the node of a table that has one mutator.
type plainNode struct {
	next  *plainNode
	val   uint64
	words [3]uint64
}

type plainTable []*plainNode

func newPlainTable(n int) plainTable {
	t := make(plainTable, n)
	for i := range t {
		t[i] = &plainNode{nil, initial(i), wordsOf(initial(i))}
	}
	return t
}

func (t plainTable) batch(r *random, first uint64) {
	for val := first; val < first+mutateBatch; val++ {
		i, j := r.below(len(t)), r.below(len(t))
		next := t[j]
		next.next = nil
		t[i] = &plainNode{next, val, wordsOf(val)}
	}
}

func (t plainTable) slot(i int) content {
	node := t[i]
	if node == nil || node.words != wordsOf(node.val) {
		return broken
	}
	next := node.next
	if next == nil {
		return content{node.val, noVal}
	}
	if next.words != wordsOf(next.val) || next.next != nil {
		return broken
	}
	return content{node.val, next.val}
}

// sharedNode is the node of a table that has several mutators.
type sharedNode struct {
	next  atomic.Pointer[sharedNode]
	val   uint64
	words [3]uint64
}

type sharedTable []atomic.Pointer[sharedNode]

func newSharedTable(n int) sharedTable {
	t := make(sharedTable, n)
	for i := range t {
		t[i].Store(newSharedNode(nil, initial(i)))
	}
	return t
}

func newSharedNode(next *sharedNode, val uint64) *sharedNode {
	node := &sharedNode{val: val, words: wordsOf(val)}
	node.next.Store(next)
	return node
}

func (t sharedTable) batch(r *random, first uint64) {
	for val := first; val < first+mutateBatch; val++ {
		i, j := r.below(len(t)), r.below(len(t))
		next := t[j].Load()
		next.next.Store(nil)
		t[i].Store(newSharedNode(next, val))
	}
}

func (t sharedTable) slot(i int) content {
	node := t[i].Load()
	if node == nil || node.words != wordsOf(node.val) {
		return broken
	}
	next := node.next.Load()
	if next == nil {
		return content{node.val, noVal}
	}
	if next.words != wordsOf(next.val) || next.next.Load() != nil {
		return broken
	}
	return content{node.val, next.val}
}

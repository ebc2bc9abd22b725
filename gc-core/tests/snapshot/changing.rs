//! Snapshots of a heap that threads change meanwhile.

use crate::{Node, node};
use gc_core::{Gc, GcCell, GcMutex, GcWeak, GcWeakMap, Heap, Mutation, Root, Snapshot, Trace};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::scope;

/// Threads change what hangs on a fixed tree while snapshots are taken: the tree is always there as
/// it is, and everything that a snapshot says holds together.
#[test]
fn what_does_not_change_is_exact_while_all_else_does() {
    const WIDTH: u64 = 20;
    let heap = Heap::new();
    let tree: Root<Tree<'static>> = heap.mutate(|mc| {
        let children =
            (0..WIDTH).map(|i| tree(mc, i, (0..WIDTH).map(|j| tree(mc, j, vec![])).collect()));
        let children: Vec<_> = children.collect();
        Gc::root(tree(mc, 99, children), mc)
    });
    let (stop, made) = (AtomicBool::new(false), AtomicU64::new(0));
    let until = std::time::Instant::now() + std::time::Duration::from_secs(3);
    scope(|s| {
        for seed in 1..=2 {
            let (heap, tree, stop, made) = (&heap, &tree, &stop, &made);
            s.spawn(move || change(heap, tree, seed, stop, made));
        }
        let mut taken = 0;
        while taken < 4 || std::time::Instant::now() < until {
            let snapshot = heap.snapshot().unwrap();
            look(&heap, &tree, &snapshot, WIDTH);
            taken += 1;
        }
        stop.store(true, Relaxed);
        println!("{taken} snapshots while {} objects were made", made.load(Relaxed));
    });
}

/// An array of nodes, in a span of its own.
type Nodes<'gc> = Gc<'gc, [Option<Gc<'gc, Node<'gc>>>]>;

#[derive(Trace)]
struct Tree<'gc> {
    children: Vec<Gc<'gc, Tree<'gc>>>,
    list: GcCell<'gc, Node<'gc>>,
    table: GcMutex<HashMap<u64, Gc<'gc, Node<'gc>>>>,
    weak: GcMutex<Option<GcWeak<'gc, Node<'gc>>>>,
    by_node: GcWeakMap<'gc, Node<'gc>, Node<'gc>>,
    large: GcMutex<Option<Nodes<'gc>>>,
    number: u64,
}

fn tree<'gc>(
    mc: &Mutation<'gc>,
    number: u64,
    children: Vec<Gc<'gc, Tree<'gc>>>,
) -> Gc<'gc, Tree<'gc>> {
    let tree = Tree {
        children,
        list: GcCell::new(None),
        table: GcMutex::default(),
        weak: GcMutex::new(None),
        by_node: GcWeakMap::new(),
        large: GcMutex::new(None),
        number,
    };
    Gc::new(mc, tree)
}

fn change(heap: &Heap, tree: &Root<Tree<'static>>, seed: u64, stop: &AtomicBool, made: &AtomicU64) {
    let mut state = seed;
    let mut random = move |below: u64| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) % below
    };
    while !stop.load(Relaxed) {
        heap.mutate(|mc| {
            let top = tree.get(mc);
            let child = |at: u64| top.children[at as usize];
            let (one, other) = (child(random(20)), child(random(20)).children[random(20) as usize]);
            for _ in 0..16 {
                let new = node(mc, random(1000));
                made.fetch_add(1, Relaxed);
                match random(8) {
                    // A list moves from tree to tree.
                    0 => other.list.set(mc, one.list.get()),
                    1 => {
                        if let Some(list) = one.list.get() {
                            new.edges.borrow_mut(mc).push(list);
                        }
                        other.list.set(mc, (random(30) != 0).then_some(new));
                    }
                    2 => {
                        one.table.lock(mc).insert(random(50), new);
                    }
                    3 => {
                        let moved = one.table.lock(mc).remove(&random(50));
                        if let Some(moved) = moved {
                            other.table.lock(mc).insert(random(50), moved);
                        }
                    }
                    4 => *one.weak.lock(mc) = Some(Gc::downgrade(new, mc)),
                    5 => {
                        let weak = *one.weak.lock(mc);
                        if let Some(strong) = weak.and_then(|weak| weak.upgrade(mc)) {
                            other.list.set(mc, Some(strong));
                        }
                    }
                    6 => {
                        if let Some(key) = one.list.get() {
                            other.by_node.insert(mc, key, new);
                        }
                    }
                    _ => {
                        let n = if random(20) == 0 { 20_000 } else { random(9) };
                        let array = Gc::from_iter_in(
                            mc,
                            (0..n as usize).map(|i| (i % 3 == 0).then_some(new)),
                        );
                        *other.large.lock(mc) = Some(array);
                    }
                }
            }
        });
    }
}

fn look(heap: &Heap, tree: &Root<Tree<'static>>, snapshot: &Snapshot, width: u64) {
    let addrs = heap.mutate(|mc| {
        let top = tree.get(mc);
        let of = |tree: Gc<'_, Tree<'_>>| (Gc::as_ptr(tree).addr(), tree.number);
        let mut all = vec![(Gc::as_ptr(top).addr(), String::new())];
        for (i, child) in top.children.iter().enumerate() {
            all.push((of(*child).0, format!(".children[{i}]")));
            for (j, child) in child.children.iter().enumerate() {
                assert_eq!(of(*child).1, j as u64);
                all.push((of(*child).0, format!(".children[{i}].children[{j}]")));
            }
        }
        all
    });
    for (i, (addr, path)) in addrs.iter().enumerate() {
        if i % 17 == 0 {
            assert_eq!(snapshot.why_alive(*addr).unwrap().fields(), *path);
        }
    }
    let types = snapshot.types();
    let trees = types.iter().find(|row| row.type_name.contains("Tree")).unwrap();
    assert_eq!(trees.objects, 1 + width + width * width);
    assert_eq!(types.iter().map(|row| row.objects).sum::<u64>(), snapshot.objects());
    let roots = snapshot.roots();
    assert_eq!((roots.len(), roots[0].roots), (1, 1));
    let (unreached, bytes) = snapshot.unreached();
    assert!(unreached < snapshot.objects() && roots[0].retained_bytes + bytes == snapshot.bytes());
    let top = snapshot.largest(5);
    assert!(top.iter().all(|row| row.retained_bytes >= row.bytes));
}

//! A program with a heap profile: trees that die young beside an index that stays. It writes the
//! profile and prints the truth beside it.
//!
//! `cargo run --release --example profile --features profile -- heap.pb.gz`, then
//! `go tool pprof -top heap.pb.gz`, or `go tool pprof -http=: heap.pb.gz` for graphs. With a second
//! name the flame graph goes there, for a browser.

use gc_core::{Gc, GcRefCell, Heap, HeapProfile, Mutation, ProfileValue, Root, Trace};
use std::collections::HashMap;
use std::fs::File;

#[derive(Trace)]
struct Tree<'gc>(Option<[Gc<'gc, Tree<'gc>>; 2]>);

#[derive(Trace)]
struct Index<'gc> {
    postings: GcRefCell<HashMap<Gc<'gc, str>, Gc<'gc, [u32]>>>,
}

#[inline(never)]
fn grow<'gc>(mc: &Mutation<'gc>, depth: u32) -> Gc<'gc, Tree<'gc>> {
    let children = (depth > 0).then(|| [grow(mc, depth - 1), grow(mc, depth - 1)]);
    Gc::new(mc, Tree(children))
}

#[inline(never)]
fn insert<'gc>(mc: &Mutation<'gc>, index: Gc<'gc, Index<'gc>>, term: u32) {
    let mut postings = index.postings.borrow_mut(mc);
    let key = Gc::from_str(mc, &format!("term {term}"));
    let list: Vec<u32> = (0..term % 60).collect();
    postings.insert(key, Gc::from_slice(mc, &list));
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let path = args.next().unwrap_or_else(|| "heap.pb.gz".into());
    // Short runs have few samples at the usual rate.
    let rate = if cfg!(debug_assertions) { 4 << 10 } else { HeapProfile::RATE / 64 };
    let heap = Heap::builder().profile_rate(rate).build()?;
    let index: Root<Index<'static>> = heap
        .mutate(|mc| Gc::root(Gc::new(mc, Index { postings: GcRefCell::new(HashMap::new()) }), mc));
    std::thread::scope(|s| {
        s.spawn(|| (0..3_000).for_each(|_| heap.mutate(|mc| _ = grow(mc, 10).0)));
        for first in (0..200_000).step_by(1000) {
            heap.mutate(|mc| (first..first + 1000).for_each(|i| insert(mc, index.get(mc), i)));
        }
    });
    heap.collect()?;
    let (profile, stats) = (heap.profile()?, heap.stats());
    profile.write_pprof(File::create(&path)?)?;
    if let Some(svg) = args.next() {
        profile.write_flame_graph(File::create(svg)?, ProfileValue::AllocSpace)?;
    }
    println!("alloc_space {}", stats.allocated_bytes);
    println!("inuse_space {}", stats.live_bytes);
    println!("alloc_objects {}", stats.allocated_objects);
    println!("inuse_objects {}", stats.live_objects);
    Ok(())
}

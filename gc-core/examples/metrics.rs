//! A program whose heap Prometheus can watch: it works for a moment on some threads and prints what
//! a scrape would read.
//!
//! `cargo run --example metrics --features prometheus`, and `| promtool check metrics` to have it
//! read back. A server would send the text with `PrometheusExporter::CONTENT_TYPE` to who asks for
//! `/metrics`.

use gc_core::{Gc, GcCell, Heap, PrometheusExporter, Root, Trace};
use std::io::Write;

#[derive(Trace)]
struct Item<'gc> {
    name: String,
    next: GcCell<'gc, Item<'gc>>,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let heap = Heap::builder().heap_limit(256 << 20).build()?;
    let exporter = PrometheusExporter::new();
    exporter.add("main", &heap)?;
    std::thread::scope(|s| {
        for _ in 0..2 {
            s.spawn(|| work(&heap));
        }
    });
    heap.collect()?;
    std::io::stdout().write_all(exporter.render().as_bytes())?;
    Ok(())
}

/// Builds lists and drops them.
fn work(heap: &Heap) {
    for round in 0..50 {
        let list: Root<Item<'static>> = heap.mutate(|mc| {
            let make =
                |next, i: i32| Gc::new(mc, Item { name: i.to_string(), next: GcCell::new(next) });
            let list = (0..1000).fold(make(None, round), |list, i| make(Some(list), i));
            Gc::root(list, mc)
        });
        heap.mutate(|mc| assert_eq!(list.get(mc).name, "999"));
        heap.mutate(|mc| assert!(list.get(mc).next.get().is_some()));
    }
}

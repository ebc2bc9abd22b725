//! A program that writes its last seconds as a Chrome trace, for `ui.perfetto.dev`.
//!
//! `cargo run --example flight --features timeline -- trace.json`. `ci/perfetto.sh` loads the file
//! into Perfetto's trace processor.

use gc_core::{FlightOptions, FlightRecorder, Gc, GcCell, Heap, Trace};
use std::thread::{Builder, scope};

#[derive(Trace)]
struct Link<'gc> {
    number: u64,
    next: GcCell<'gc, Link<'gc>>,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).unwrap_or_else(|| String::from("trace.json"));
    let heap = Heap::builder().min_heap(4 << 20).build()?;
    let mut options = FlightOptions::default();
    options.one_span_in = 8;
    let recorder = FlightRecorder::start(&heap, options)?;
    scope(|s| {
        for i in 0..2 {
            let body = || (0..200).for_each(|_| work(&heap));
            Builder::new().name(format!("worker-{i}")).spawn_scoped(s, body)?;
        }
        Ok::<(), std::io::Error>(())
    })?;
    heap.collect()?;
    let written = recorder.write_file(&path)?;
    println!("{} events of the last {:.1?} in {path}", written.events, written.covers);
    Ok(())
}

/// Builds a list and lets go of it.
fn work(heap: &Heap) {
    heap.mutate(|mc| {
        let make = |next, number| Gc::new(mc, Link { number, next: GcCell::new(next) });
        let list = (0..5000).fold(make(None, 0), |list, number| make(Some(list), number));
        assert_eq!(list.number, 4999);
        assert!(list.next.get().is_some());
    });
}

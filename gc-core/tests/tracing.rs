//! The heap's events in `tracing`, read back from the JSON that its own subscriber writes.

use gc_core::{Gc, Heap, TracingEvents};
use serde_json::Value;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use tracing::Dispatch;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::FmtSpan;

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Lines;
    fn make_writer(&'a self) -> Lines {
        self.clone()
    }
}

#[test]
fn a_cycle_is_a_span_with_its_phases_inside() {
    let lines = Lines::default();
    let subscriber = tracing_subscriber::fmt()
        .json()
        .with_max_level(tracing::Level::DEBUG)
        .with_span_events(FmtSpan::CLOSE)
        .with_writer(lines.clone())
        .finish();
    let events = TracingEvents::with_dispatch(Dispatch::new(subscriber));
    let heap = Heap::builder().event_listener(events).build().unwrap();
    heap.mutate(|mc| Gc::new(mc, 1).to_string());
    heap.collect().unwrap();
    let number = heap.number();
    drop(heap);

    let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    let all: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let cycle = all.iter().find(|line| line["fields"]["message"] == "cycle").expect("its report");
    assert_eq!(cycle["fields"]["heap"], number);
    assert_eq!(cycle["fields"]["cycle"], 1);
    assert_eq!(cycle["span"]["name"], "gc_cycle");
    assert_eq!(cycle["target"], "gc_core");
    for phase in ["prep", "mark", "cross", "sweep"] {
        let closed = all.iter().find(|line| {
            line["fields"]["message"] == "close"
                && line["span"]["name"] == "gc_phase"
                && line["span"]["phase"] == phase
        });
        let closed = closed.unwrap_or_else(|| panic!("{phase} is missing in\n{text}"));
        assert_eq!(closed["spans"][0]["name"], "gc_cycle", "{closed}");
    }
    let handshake = all.iter().find(|line| line["fields"]["message"] == "handshake").unwrap();
    assert_eq!(handshake["fields"]["phase"], "prep");
    assert_eq!(handshake["span"]["name"], "gc_phase");
    assert_eq!(handshake["spans"].as_array().map(Vec::len), Some(2), "{handshake}");
}

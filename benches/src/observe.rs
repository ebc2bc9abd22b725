//! Observers of a heap for `--observe`, to measure what they cost: the flight recorder, a budget
//! for pauses, and a scrape of all metrics each second. They stay until the process ends, and none
//! keeps the heap.

use gc_core::{FlightOptions, FlightRecorder, Heap, PrometheusExporter};
use std::error::Error;
use std::thread::{self, Builder};
use std::time::Duration;

/// Starts them.
pub(crate) fn observe(heap: &Heap) -> Result<(), Box<dyn Error>> {
    std::mem::forget(FlightRecorder::start(heap, FlightOptions::default())?);
    std::mem::forget(heap.on_pause_over(Duration::from_millis(1), |_| ())?);
    let exporter = PrometheusExporter::new();
    exporter.add("bench", heap)?;
    let scrape = move || {
        loop {
            std::hint::black_box(exporter.render());
            thread::sleep(Duration::from_secs(1));
        }
    };
    Builder::new().name("scrape".into()).spawn(scrape)?;
    Ok(())
}

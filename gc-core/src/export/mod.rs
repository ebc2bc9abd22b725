#![forbid(unsafe_code)]
//! What the heap's events and counters become for other tools: one file and one feature each. Nothing below
//! knows this folder.

#[cfg(feature = "tracing")]
mod tracing_events;

#[cfg(feature = "tracing")]
pub use tracing_events::TracingEvents;

//! Plots as SVG: axes (`scale`), drawing (`svg`), and line charts (`chart`). Pure: data in, text out.
//!
//! Without a plotting crate: one kind of chart is needed. A text that is the same for the same data
//! is easy to review when it changes.

#![forbid(unsafe_code)]

mod chart;
mod scale;
mod svg;

pub(crate) use chart::{Axis, Chart, Line};

//! Plots as SVG: axes (`scale`), drawing (`svg`), and line charts (`chart`). Pure: data in, text out.
//!
//! No plotting crate: what is needed is one kind of chart, and a text that is the same for the same data is easy to
//! review when it changes.

#![forbid(unsafe_code)]

mod chart;
mod scale;
mod svg;

pub(crate) use chart::{Axis, Chart, Line};

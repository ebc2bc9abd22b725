//! Line charts as SVG, drawn with plotters: `chart` draws, `theme` has the colours for light and
//! dark pages. Data in, text out, and the same text for the same data.

#![forbid(unsafe_code)]

mod chart;
mod theme;

pub(crate) use chart::{Axis, Chart, Line};

#![forbid(unsafe_code)]
//! A profile as folded stacks, and as a flame graph.

use super::{HeapProfile, ProfileValue};
use inferno::flamegraph::{self, Options};
use std::io::{self, Write};

impl HeapProfile {
    /// The stacks as lines: frames from the outermost to the innermost, then the type, then a
    /// value. So flame graph tools read them. Stacks without a value are left out.
    fn folded(&self, value: ProfileValue) -> Vec<String> {
        let clean = |name: &str| name.replace(';', ":").replace(['\n', '\r'], " ");
        let valued = self.sites().iter().filter(|site| site.value(value) > 0);
        let line = valued.map(|site| {
            let mut line = String::new();
            for frame in site.frames().iter().rev() {
                line += &clean(frame.name());
                line.push(';');
            }
            format!("{line}{} {}", clean(site.type_name()), site.value(value))
        });
        line.collect()
    }

    /// Writes folded stacks, a line each, which flame graph tools read. The type is the innermost
    /// frame.
    ///
    /// ```
    /// use gc_core::{Gc, Heap, ProfileValue};
    /// let heap = Heap::builder().profile_rate(1).build()?;
    /// heap.mutate(|mc| { Gc::new(mc, [0u64; 6]); });
    /// let mut text = Vec::new();
    /// heap.profile()?.write_folded(&mut text, ProfileValue::AllocSpace)?;
    /// assert!(String::from_utf8(text)?.ends_with(";[u64: 6] 48\n"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of `to`.
    pub fn write_folded(&self, mut to: impl Write, value: ProfileValue) -> io::Result<()> {
        for line in self.folded(value) {
            writeln!(to, "{line}")?;
        }
        to.flush()
    }

    /// Writes a flame graph of a value, as SVG.
    ///
    /// ```
    /// use gc_core::{Gc, Heap, ProfileValue};
    /// let heap = Heap::builder().profile_rate(1).build()?;
    /// heap.mutate(|mc| { Gc::new(mc, [0u64; 6]); });
    /// let mut svg = Vec::new();
    /// heap.profile()?.write_flame_graph(&mut svg, ProfileValue::AllocSpace)?;
    /// assert!(String::from_utf8(svg)?.contains("<svg"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of `to`; [`InvalidInput`](io::ErrorKind::InvalidInput) if no site has the value.
    pub fn write_flame_graph(&self, mut to: impl Write, value: ProfileValue) -> io::Result<()> {
        let lines = self.folded(value);
        if lines.is_empty() {
            let why = format!("no sample has {}: there is nothing to draw", value.name());
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
        let mut options = Options::default();
        options.title = format!("Heap profile: {}", value.name());
        value.unit().clone_into(&mut options.count_name);
        flamegraph::from_lines(&mut options, lines.iter().map(String::as_str), &mut to)?;
        to.flush()
    }
}

#![forbid(unsafe_code)]
//! Pauses as an interval log of HdrHistogram (version 1.2 or later of the format): what its log
//! processors, plotters and readers in many languages take.

use crate::api::Heap;
use crate::observe::{HiccupMeter, Histogram, Pauses};
use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, Tag};
use std::fmt;
use std::io::{self, Write};
use std::time::{Instant, SystemTime};

/// Writes an HdrHistogram interval log of a heap's pauses (feature `hdr-log`), an interval for each
/// call of [`interval`](Self::interval).
///
/// An interval has a line for all pauses together, and one with a tag for each kind that there was
/// (`Tag=Refill`); with a meter one for hiccups (`Tag=hiccups`). All values are nanoseconds.
///
/// ```
/// use gc_core::{Gc, Heap, PauseLog};
/// let heap = Heap::new();
/// let mut text = Vec::new();
/// let mut log = PauseLog::new(&mut text, &heap)?;
/// heap.mutate(|mc| { Gc::new(mc, 1); });
/// log.interval(&heap, None)?;
/// let text = String::from_utf8(text).unwrap();
/// assert!(text.contains("#[StartTime: ") && text.contains("Tag=Refill,"));
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct PauseLog<W> {
    to: W,
    begin: Instant,
    /// When the last interval ended, and what there was then.
    last: (Instant, Pauses),
    hiccups: Option<Histogram>,
}

impl<W> fmt::Debug for PauseLog<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PauseLog(since {:?})", self.begin.elapsed())
    }
}

impl<W: Write> PauseLog<W> {
    /// Begins a log with its head. The first interval begins now.
    ///
    /// # Errors
    ///
    /// If the output fails.
    pub fn new(mut to: W, heap: &Heap) -> io::Result<PauseLog<W>> {
        let (begin, now) = (Instant::now(), SystemTime::now());
        let mut serializer = V2DeflateSerializer::new();
        let comment = format!("pauses of heap {}, in nanoseconds", heap.number());
        IntervalLogWriterBuilder::new()
            .with_start_time(now)
            .add_comment(&comment)
            .begin_log_with(&mut to, &mut serializer)?;
        to.flush()?;
        Ok(PauseLog { to, begin, last: (begin, heap.pauses()), hiccups: None })
    }

    /// Writes the pauses since the last call, or since the log was made. With `meter`, its hiccups
    /// too; it is always the same one.
    ///
    /// # Errors
    ///
    /// If the output fails. What the interval had is then in none.
    pub fn interval(&mut self, heap: &Heap, meter: Option<&HiccupMeter>) -> io::Result<()> {
        let (now, pauses) = (Instant::now(), heap.pauses());
        let (from, before) = std::mem::replace(&mut self.last, (now, pauses.clone()));
        let pauses = pauses.since(&before);
        let hiccups = meter.map(HiccupMeter::hiccups);
        let late = hiccups.as_ref().map(|now| match &self.hiccups {
            Some(before) => now.since(before),
            None => now.clone(),
        });
        self.hiccups = hiccups;
        let (start, length) = (from - self.begin, now - from);
        let mut serializer = V2DeflateSerializer::new();
        let mut lines =
            IntervalLogWriterBuilder::new().begin_log_with(&mut self.to, &mut serializer)?;
        let mut line = |of: &Histogram, tag: Option<&str>| {
            let tag = tag.and_then(Tag::new);
            let written = lines.write_histogram::<u64>(&of.into(), start, length, tag);
            written.map_err(|error| io::Error::other(format!("{error:?}")))
        };
        line(&pauses.all(), None)?;
        for (kind, of) in pauses.kinds().filter(|(_, of)| !of.is_empty()) {
            line(of, Some(&format!("{kind:?}")))?;
        }
        if let Some(late) = late {
            line(&late, Some("hiccups"))?;
        }
        self.to.flush()
    }
}

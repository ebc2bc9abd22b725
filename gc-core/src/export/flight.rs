#![forbid(unsafe_code)]
//! The flight recorder: the last seconds of a heap's timeline in bounded memory, written as a
//! Chrome trace ([`super::chrome_trace`]) when the program asks or a pause is over budget.
//!
//! 1. [`FlightRecorder::start`] turns the heap's timeline on (`observe::timeline`); the end of the
//!    recorder turns it off.
//! 2. [`FlightRecorder::write`] reads the tapes while threads go on, and writes what is younger
//!    than the recorder's time.
//! 3. [`FlightRecorder::write_when_over`] does so for each pause over a budget, on that budget's
//!    thread, into files of a folder. A disk that is full, or a folder that is gone, is an error
//!    that is kept and counted, and the program goes on.

use super::chrome_trace::{self, Clock, HeapTimeline, Track};
use crate::api::Heap;
use crate::api::watching::{OnPauseOver, tell_over};
use crate::mutator::Core;
use crate::observe::clock::{ns_per_tick, ticks};
use crate::observe::timeline::{Recording, marks};
use crate::sync::plain::{AtomicU64, Ordering};
use crate::sync::{Arc, Mutex, Weak};
use crate::word::{Bytes, Ticks};
use std::fmt;
use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What a flight recorder keeps.
///
/// ```
/// use std::time::Duration;
/// use gc_core::{FlightOptions, FlightRecorder, Heap};
/// let mut options = FlightOptions::default();
/// options.last = Duration::from_secs(30);
/// options.max_bytes = 64 << 20;
/// let recorder = FlightRecorder::start(&Heap::new(), options)?;
/// # Ok::<(), gc_core::FlightError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FlightOptions {
    /// How far back a trace reaches (10 s), if the memory is enough.
    pub last: Duration,
    /// The most memory for what is kept of all threads, in bytes (16 MiB). It is taken as it is
    /// needed, and stays with the heap.
    pub max_bytes: u64,
    /// Interruptions that are frequent and shorter than this are left out (10 µs): refills, sweeps
    /// and what barriers do. Assists, handshakes and waits are kept, however short.
    pub least_pause: Duration,
    /// One span in so many is followed through its life (64); 1 for all, 0 for none.
    pub one_span_in: u32,
}

impl Default for FlightOptions {
    fn default() -> Self {
        FlightOptions {
            last: Duration::from_secs(10),
            max_bytes: 16 << 20,
            least_pause: Duration::from_micros(10),
            one_span_in: 64,
        }
    }
}

/// Why there is no flight recorder, or nothing was written.
///
/// ```
/// use gc_core::{FlightError, FlightOptions, FlightRecorder, Heap};
/// let heap = Heap::new();
/// let first = FlightRecorder::start(&heap, FlightOptions::default())?;
/// let second = FlightRecorder::start(&heap, FlightOptions::default());
/// assert_eq!(second.unwrap_err().to_string(), "another recorder of this heap is running");
/// # Ok::<(), FlightError>(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum FlightError {
    /// Another recorder of this heap is running.
    Running,
    /// The heap has ended.
    Ended,
    /// The process is the child of a fork, and has no recorder.
    AfterFork,
    /// The output could not be written.
    Io(io::Error),
}

impl fmt::Display for FlightError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FlightError::Running => f.write_str("another recorder of this heap is running"),
            FlightError::Ended => f.write_str("the heap has ended"),
            FlightError::AfterFork => f.write_str("the child of a fork has no recorder"),
            FlightError::Io(error) => write!(f, "the trace could not be written: {error}"),
        }
    }
}

impl std::error::Error for FlightError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            FlightError::Io(error) => Some(error),
            _ => None,
        }
    }
}

impl From<io::Error> for FlightError {
    fn from(error: io::Error) -> Self {
        FlightError::Io(error)
    }
}

/// Keeps the last seconds of a heap's timeline, and writes them as a Chrome trace (feature
/// `timeline`). `ui.perfetto.dev` and `chrome://tracing` show it: cycles, phases and handshakes,
/// each thread's interruptions, and the lives of spans.
///
/// A recorder costs well below 3 % of an allocating program's time. It does not keep its heap.
///
/// ```
/// use gc_core::{FlightOptions, FlightRecorder, Gc, Heap};
/// let heap = Heap::new();
/// let recorder = FlightRecorder::start(&heap, FlightOptions::default())?;
/// heap.mutate(|mc| { Gc::new(mc, 1); });
/// heap.collect().unwrap();
/// let mut trace = Vec::new();
/// let written = recorder.write(&mut trace)?;
/// assert!(written.events > 0 && trace.starts_with(b"{"));
/// # Ok::<(), gc_core::FlightError>(())
/// ```
#[derive(Debug)]
pub struct FlightRecorder {
    shared: Arc<Shared>,
}

/// Ends the recording with its last user.
struct Shared {
    core: Weak<Core>,
    last: Duration,
    since: Ticks,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the last {:?}", self.last)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if let Some(core) = self.core.upgrade()
            && !core.control.is_orphaned()
        {
            core.space.life.follow(0, Bytes::ZERO);
            core.events.timeline.end();
            core.watch.end_timeline();
        }
    }
}

impl Shared {
    fn write(&self, to: &mut dyn Write) -> Result<FlightSummary, FlightError> {
        let core = self.core.upgrade().ok_or(FlightError::Ended)?;
        if core.control.is_orphaned() {
            return Err(FlightError::AfterFork);
        }
        if core.control.is_over() {
            return Err(FlightError::Ended);
        }
        let now = ticks();
        let ns = ns_per_tick();
        let from = now.since(Ticks::of(self.last, ns)).max(self.since);
        let mut tracks = vec![Track::collector(core.events.timeline.collector())];
        for record in core.records.snapshot() {
            let notes = record.timeline.get().map_or(Vec::new(), |tape| marks(tape));
            tracks.push(Track::thread(record.number, record.name(), notes));
        }
        for track in &mut tracks {
            track.marks.retain(|mark| mark.since + mark.ticks >= from);
        }
        let mut spans = core.space.life.steps();
        spans.retain(|step| step.at >= from);
        let oldest = tracks.iter().flat_map(|track| &track.marks).map(|mark| mark.since).min();
        let covers = now.since(oldest.unwrap_or(now)).time(ns);
        let classes = core.space.all_classes().iter().map(|class| (class.info.name)()).collect();
        let clock = Clock { born: core.born, now, ns_per_tick: ns };
        let timeline = HeapTimeline { heap: core.events.heap, clock, tracks, spans, classes };
        // What follows is no reason to keep the heap's memory.
        drop(core);
        let mut out = BufWriter::new(to);
        let events = chrome_trace::write(&mut out, &timeline)?;
        out.flush()?;
        Ok(FlightSummary { events, covers })
    }

    /// Into a file beside it first, so that no reader finds half of a trace.
    fn write_file(&self, path: &Path) -> Result<FlightSummary, FlightError> {
        let mut partial = path.as_os_str().to_owned();
        partial.push(".partial");
        let partial = PathBuf::from(partial);
        let write = || {
            let mut file = fs::File::create(&partial)?;
            let summary = self.write(&mut file)?;
            drop(file);
            fs::rename(&partial, path)?;
            Ok(summary)
        };
        let written = write();
        if written.is_err() {
            // What is there is of no use, and the disk may be full. An error here adds nothing.
            let _removed = fs::remove_file(&partial);
        }
        written
    }
}

/// What was written.
///
/// ```
/// use gc_core::{FlightOptions, FlightRecorder, FlightSummary, Heap};
/// let heap = Heap::new();
/// let recorder = FlightRecorder::start(&heap, FlightOptions::default())?;
/// let written: FlightSummary = recorder.write(std::io::sink())?;
/// println!("{} events of {:?}", written.events, written.covers);
/// # Ok::<(), gc_core::FlightError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct FlightSummary {
    /// How many events the trace has.
    pub events: u64,
    /// How far back the oldest one reaches.
    pub covers: Duration,
}

impl FlightRecorder {
    /// Starts to record. Dropping the recorder, and the dumps that it made, ends that.
    ///
    /// # Errors
    ///
    /// If the heap has a recorder already.
    pub fn start(heap: &Heap, options: FlightOptions) -> Result<FlightRecorder, FlightError> {
        let core = heap.core();
        let FlightOptions { last, max_bytes, least_pause, one_span_in } = options;
        // A quarter is for the spans' tape, which all threads share.
        let spans = if one_span_in == 0 { 0 } else { max_bytes / 4 };
        let recording = Recording { max_bytes: max_bytes - spans, least: least_pause };
        if !core.events.timeline.begin(&recording) {
            return Err(FlightError::Running);
        }
        core.space.life.follow(one_span_in, Bytes::new(spans));
        core.watch.begin_timeline();
        let shared = Shared { core: Arc::downgrade(core), last, since: ticks() };
        Ok(FlightRecorder { shared: Arc::new(shared) })
    }

    /// Writes the last seconds as a Chrome trace (JSON). Threads go on meanwhile.
    ///
    /// # Errors
    ///
    /// If the output fails, the heap has ended, or the process is the child of a fork. The recorder
    /// goes on.
    pub fn write(&self, mut to: impl Write) -> Result<FlightSummary, FlightError> {
        self.shared.write(&mut to)
    }

    /// Writes them into a file, which is complete as soon as it is there under its name.
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write). What was written of the file is removed.
    ///
    /// ```
    /// use gc_core::{FlightOptions, FlightRecorder, Heap};
    /// let heap = Heap::new();
    /// let recorder = FlightRecorder::start(&heap, FlightOptions::default())?;
    /// let path = std::env::temp_dir().join(format!("flight-{}.json", std::process::id()));
    /// recorder.write_file(&path)?;
    /// assert!(recorder.write_file(&path.join("no/such/folder")).is_err());
    /// # std::fs::remove_file(path).unwrap();
    /// # Ok::<(), gc_core::FlightError>(())
    /// ```
    pub fn write_file(&self, path: impl AsRef<Path>) -> Result<FlightSummary, FlightError> {
        self.shared.write_file(path.as_ref())
    }

    /// Writes a trace into `folder` when an interruption has lasted for `budget`, as long as the
    /// returned value lives. The files are `gc-flight-1.json` to `gc-flight-{files}.json`; when
    /// all are there, the next trace replaces the oldest one. Between two traces the recorder
    /// waits for a tenth of its time, so that a storm of pauses does not fill a disk.
    ///
    /// # Errors
    ///
    /// If the system refuses the thread, or the heap has ended. What fails later is counted
    /// ([`FlightDumps::errors`]).
    ///
    /// ```
    /// use std::time::Duration;
    /// use gc_core::{FlightDumps, FlightOptions, FlightRecorder, Heap};
    /// let heap = Heap::new();
    /// let recorder = FlightRecorder::start(&heap, FlightOptions::default())?;
    /// let folder = std::env::temp_dir();
    /// let budget = Duration::from_millis(5);
    /// let dumps: FlightDumps = recorder.write_when_over(budget, &folder, 4)?;
    /// assert_eq!((dumps.written(), dumps.errors()), (0, 0));
    /// assert!(dumps.last_error().is_none());
    /// # Ok::<(), gc_core::FlightError>(())
    /// ```
    pub fn write_when_over(
        &self,
        budget: Duration,
        folder: impl AsRef<Path>,
        files: u32,
    ) -> Result<FlightDumps, FlightError> {
        let core = self.shared.core.upgrade().ok_or(FlightError::Ended)?;
        let (shared, state) = (self.shared.clone(), Arc::new(DumpState::default()));
        let (own, folder) = (state.clone(), folder.as_ref().to_path_buf());
        let apart = shared.last / 10;
        let mut next_at = Duration::ZERO;
        let mut number = 0;
        let call = move |pause: &crate::observe::SlowPause| {
            if pause.at + pause.time < next_at {
                return;
            }
            number = number % files.max(1) + 1;
            next_at = pause.at + pause.time + apart;
            let path = folder.join(format!("gc-flight-{number}.json"));
            match shared.write_file(&path) {
                Ok(_) => own.written.fetch_add(1, Ordering::Relaxed),
                Err(error) => {
                    *own.last_error.lock() = Some(format!("{}: {error}", path.display()));
                    own.errors.fetch_add(1, Ordering::Relaxed)
                }
            };
        };
        Ok(FlightDumps { state, _guard: tell_over(&core, budget, call)? })
    }
}

#[derive(Debug, Default)]
struct DumpState {
    written: AtomicU64,
    errors: AtomicU64,
    last_error: Mutex<Option<String>>,
}

/// Traces that are written when a pause is over budget
/// ([`FlightRecorder::write_when_over`]), as long as this lives.
#[derive(Debug)]
#[must_use = "no trace is written any more when this is dropped"]
pub struct FlightDumps {
    state: Arc<DumpState>,
    _guard: OnPauseOver,
}

impl FlightDumps {
    /// How many traces were written.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.state.written.load(Ordering::Relaxed)
    }
    /// How many could not be written.
    #[must_use]
    pub fn errors(&self) -> u64 {
        self.state.errors.load(Ordering::Relaxed)
    }
    /// Why the last of these could not.
    #[must_use]
    pub fn last_error(&self) -> Option<String> {
        self.state.last_error.lock().clone()
    }
}

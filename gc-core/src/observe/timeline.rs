#![forbid(unsafe_code)]
//! The timeline: what threads and the collector did and when, kept in bounded memory. It is off
//! until a recorder of the top floor begins ([`Timeline::begin`]).
//!
//! 1. Each program thread notes its interruptions on a tape of its own (`mutator::watched`). While
//!    nothing is recorded that costs no branch: the comparison with `Watch::floor` is for both.
//! 2. The collector's events go to the tape of its thread as they pass the door
//!    ([`Timeline::hear`]).
//! 3. Some spans are followed through their lives ([`super::life`]): a branch for each span that is
//!    made, taken, swept or freed.
//!
//! All tapes of a heap together take at most the bytes that the recorder has allowed. Then each
//! writes over its oldest notes.

use super::clock;
use super::event::{Event, Phase};
use super::histogram::PauseKind;
use super::note::{Note, Tape};
use super::watch::LongPause;
use crate::sync::plain::{AtomicU32, AtomicU64, Ordering};
use crate::word::Ticks;
use std::time::Duration;

/// What a recorder asks for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Recording {
    /// Bytes of all tapes.
    pub(crate) max_bytes: u64,
    /// Shorter interruptions of the frequent kinds are left out.
    pub(crate) least: Duration,
}

/// What a heap records.
///
/// | word | says | written by |
/// |---|---|---|
/// | `is_on` | 0, or 1 while there is a recorder | `begin` (compare and exchange), `end` |
/// | `least`, `max_bytes` | what that recorder asked for | `begin`, before threads are told |
/// | `made_bytes` | what chunks take | threads that make one |
///
/// They publish nothing: a thread that sees an old word notes a little more or less.
#[derive(Debug)]
pub(crate) struct Timeline {
    is_on: AtomicU32,
    least: AtomicU64,
    max_bytes: AtomicU64,
    made_bytes: AtomicU64,
    /// Written by the collector's thread.
    collector: Tape,
    /// When the cycle that runs has begun. The collector's thread.
    begun: AtomicU64,
}

impl Default for Timeline {
    fn default() -> Self {
        let [least, max_bytes, made_bytes, begun] = [0; 4].map(AtomicU64::new);
        let (is_on, collector) = (AtomicU32::new(0), Tape::long());
        Timeline { is_on, least, max_bytes, made_bytes, collector, begun }
    }
}

impl Timeline {
    /// Begins to record. Returns whether no other recorder had.
    pub(crate) fn begin(&self, of: &Recording) -> bool {
        let is_first =
            self.is_on.compare_exchange(0, 1, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if is_first {
            let least = Ticks::of(of.least, clock::ns_per_tick());
            self.least.store(least.get(), Ordering::Relaxed);
            self.max_bytes.store(of.max_bytes, Ordering::Relaxed);
        }
        is_first
    }
    /// Ends it. What is on the tapes stays.
    pub(crate) fn end(&self) {
        self.is_on.store(0, Ordering::Relaxed);
    }
    pub(crate) fn is_on(&self) -> bool {
        self.is_on.load(Ordering::Relaxed) != 0
    }
    /// Whether an interruption belongs on the timeline: if it is long, or of a kind that is rare.
    pub(crate) fn wants(&self, kind: PauseKind, ticks: Ticks) -> bool {
        let is_frequent = matches!(
            kind,
            PauseKind::Refill
                | PauseKind::Sweep
                | PauseKind::Handover
                | PauseKind::Gate
                | PauseKind::Cell
                | PauseKind::Shade
                | PauseKind::Yield
        );
        self.is_on() && (!is_frequent || ticks.get() >= self.least.load(Ordering::Relaxed))
    }
    /// A tape for one thread.
    pub(crate) fn tape() -> Box<Tape> {
        Box::new(Tape::long())
    }
    /// Whether one more chunk may be made; counts it.
    pub(crate) fn may_grow(&self) -> bool {
        let made = self.made_bytes.fetch_add(Tape::CHUNK_BYTES, Ordering::Relaxed);
        let may = made + Tape::CHUNK_BYTES <= self.max_bytes.load(Ordering::Relaxed);
        if !may {
            self.made_bytes.fetch_sub(Tape::CHUNK_BYTES, Ordering::Relaxed);
        }
        may
    }
    /// What the collector's thread has noted.
    pub(crate) fn collector(&self) -> Vec<Mark> {
        marks(&self.collector)
    }

    /// Notes an event of the collector's thread.
    #[cold]
    pub(crate) fn hear(&self, event: &Event<'_>) {
        let ticks = |time| Ticks::of(time, clock::ns_per_tick_so_far());
        let now = clock::ticks();
        let ago = |time: Duration| (now.since(ticks(time)), ticks(time));
        let mark = match *event {
            Event::CycleBegin { cycle, heap_bytes, .. } => {
                self.begun.store(now.get(), Ordering::Relaxed);
                Mark {
                    since: now,
                    ticks: Ticks::ZERO,
                    what: What::CycleBegin { cycle, heap_bytes },
                }
            }
            Event::PhaseEnd { cycle, phase, time } => {
                let (since, ticks) = ago(time);
                Mark { since, ticks, what: What::Phase { cycle, phase } }
            }
            Event::Handshake(of) => {
                let (since, ticks) = ago(of.time);
                let straggler = of.straggler.as_ref().map(|of| of.thread);
                let (cycle, phase, threads) = (of.cycle, of.phase, of.threads);
                Mark { since, ticks, what: What::Handshake { cycle, phase, threads, straggler } }
            }
            Event::CycleEnd(of) => {
                let since = Ticks::new(self.begun.load(Ordering::Relaxed));
                let what = What::Cycle { cycle: of.cycle, live_bytes: of.live_bytes };
                Mark { since, ticks: now.since(since), what }
            }
            _ => return,
        };
        self.collector.push(&mark.note(), || self.may_grow());
    }
}

/// The notes of a tape, in their order.
pub(crate) fn marks(tape: &Tape) -> Vec<Mark> {
    tape.read().iter().filter_map(|(_, note)| Mark::of(note)).collect()
}

/// Something on the timeline: when it began, how long it lasted, and what it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) since: Ticks,
    pub(crate) ticks: Ticks,
    pub(crate) what: What,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    Pause(LongPause),
    CycleBegin { cycle: u64, heap_bytes: u64 },
    Cycle { cycle: u64, live_bytes: u64 },
    Phase { cycle: u64, phase: Phase },
    Handshake { cycle: u64, phase: Phase, threads: u64, straggler: Option<u64> },
}

/// Kinds of notes, beside the pauses' own.
const CYCLE_BEGIN: u64 = 100;
const CYCLE: u64 = 101;
const PHASE: u64 = 102;
const HANDSHAKE: u64 = 103;

impl Mark {
    /// Packs it: a kind, a detail and a number of 48 bits in one word, and another number.
    pub(super) fn note(&self) -> Note {
        let (kind, detail, number, other) = match self.what {
            What::Pause(of) => return of.note(),
            What::CycleBegin { cycle, heap_bytes } => (CYCLE_BEGIN, 0, cycle, heap_bytes),
            What::Cycle { cycle, live_bytes } => (CYCLE, 0, cycle, live_bytes),
            What::Phase { cycle, phase } => (PHASE, phase as u64, cycle, 0),
            What::Handshake { cycle, phase, threads, straggler } => {
                let straggler = straggler.map_or(0, |thread| thread + 1);
                (HANDSHAKE, phase as u64, cycle, threads << 32 | straggler & 0xffff_ffff)
            }
        };
        let what = kind | detail << 8 | (number & 0xffff_ffff_ffff) << 16;
        Note { words: [self.since.get(), self.ticks.get(), what, other], place: None }
    }
    fn of(note: &Note) -> Option<Mark> {
        let [since, ticks, word, other] = note.words;
        let (detail, number) = ((word >> 8 & 0xff) as usize, word >> 16);
        let phase = || Phase::ALL.get(detail).copied();
        let what = match word & 0xff {
            CYCLE_BEGIN => What::CycleBegin { cycle: number, heap_bytes: other },
            CYCLE => What::Cycle { cycle: number, live_bytes: other },
            PHASE => What::Phase { cycle: number, phase: phase()? },
            HANDSHAKE => What::Handshake {
                cycle: number,
                phase: phase()?,
                threads: other >> 32,
                straggler: (other & 0xffff_ffff).checked_sub(1),
            },
            _ => What::Pause(LongPause::of(note)?),
        };
        Some(Mark { since: Ticks::new(since), ticks: Ticks::new(ticks), what })
    }
}

#[cfg(all(test, not(shuttle)))]
mod tests {
    use super::*;

    #[test]
    fn a_mark_survives_its_note() {
        let place = Some(std::panic::Location::caller());
        let pause = LongPause {
            kind: PauseKind::Drops,
            since: Ticks::new(7),
            ticks: Ticks::new(9),
            cycle: 12,
            phase: Some(Phase::Mark),
            owner: 5,
            place,
        };
        let (cycle, phase) = (1 << 40, Phase::Sweep);
        for what in [
            What::Pause(pause),
            What::CycleBegin { cycle, heap_bytes: u64::MAX },
            What::Cycle { cycle, live_bytes: 3 },
            What::Phase { cycle, phase },
            What::Handshake { cycle, phase, threads: 4, straggler: Some(0) },
            What::Handshake { cycle, phase, threads: 4, straggler: None },
        ] {
            let mark = Mark { since: pause.since, ticks: pause.ticks, what };
            assert_eq!(Mark::of(&mark.note()), Some(mark));
        }
    }

    #[test]
    fn tapes_stay_within_their_bytes_together() {
        let timeline = Timeline::default();
        let max_bytes = 3 * Tape::CHUNK_BYTES;
        let recording = Recording { max_bytes, least: Duration::ZERO };
        assert!(timeline.begin(&recording) && !timeline.begin(&recording));
        let tapes = [Timeline::tape(), Timeline::tape()];
        let note = Note { words: [0; 4], place: None };
        for tape in &tapes {
            (0..10_000).for_each(|_| tape.push(&note, || timeline.may_grow()));
        }
        assert_eq!(tapes.map(|tape| tape.read().len()).iter().sum::<usize>(), 3 * 128);
        timeline.end();
        assert!(!timeline.wants(PauseKind::Stall, Ticks::MAX) && timeline.begin(&recording));
    }
}

#![forbid(unsafe_code)]
//! What a thread was interrupted for: counted, and if long, noted one by one (`observe::watch`).

use super::Record;
use crate::handshake::Mode;
use crate::observe::clock::{ns_per_tick, ns_per_tick_so_far, ticks};
use crate::observe::histogram::PauseKind;
use crate::observe::probe::slow_pause;
use crate::observe::timeline::Timeline;
use crate::observe::utilisation::{Interruptions, KnownTime};
use crate::observe::watch::{LongPause, Notes};
use crate::observe::{Phase, SlowPause};
use crate::platform::thread::{Scheduled, scheduled, tid};
use crate::sync::Ordering;
use crate::word::Ticks;

impl Record {
    /// The thread was interrupted from `since` until now.
    pub(crate) fn paused(&self, kind: PauseKind, since: Ticks) {
        let ticks = self.pauses.record(kind, since);
        // A schedule must not depend on a clock.
        if ticks >= self.core().watch.floor() && !cfg!(shuttle) {
            self.paused_long(kind, since, ticks);
        }
    }

    #[cold]
    #[inline(never)]
    fn paused_long(&self, kind: PauseKind, since: Ticks, ticks: Ticks) {
        let phase = match self.mode.get() {
            Mode::Off => None,
            Mode::Prep => Some(Phase::Prep),
            Mode::Mark => Some(Phase::Mark),
        };
        let (cycle, owner) = (self.cycle.get().get(), self.owner.load(Ordering::Relaxed));
        let place = self.site.get();
        let pause = LongPause { kind, since, ticks, cycle, phase, owner, place };
        let core = self.core();
        if core.watch.notes(ticks) {
            if let Some(notes) = self.own_notes() {
                notes.add(&core.watch, &pause);
            }
            let ns = || ticks.time(ns_per_tick_so_far()).as_nanos() as u64;
            slow_pause(core.events.heap, self.number, kind, ns);
        }
        let timeline = &core.events.timeline;
        if timeline.wants(kind, ticks) {
            let tape = self.timeline.get_or_init(Timeline::tape);
            tape.push(&pause.note(), || timeline.may_grow());
        }
    }

    /// The notes, made at first need. `None` where the system has no memory for them. The owner
    /// only.
    fn own_notes(&self) -> Option<&Notes> {
        if self.notes.get().is_none() {
            let made = Notes::new()?;
            self.notes.get_or_init(|| made);
        }
        self.notes()
    }
    pub(crate) fn notes(&self) -> Option<&Notes> {
        self.notes.get().map(|notes| &notes[0])
    }

    /// The calling thread begins to use the record.
    pub(super) fn begin_owner(&self) {
        self.pauses.begin_owner();
        if let Some(notes) = self.notes() {
            notes.begin_owner();
        }
        self.tid.store(tid(), Ordering::Relaxed);
    }
    /// The owner ends: its worst interruptions go to the heap, under its name.
    pub(super) fn leave_worst(&self) {
        if let Some(notes) = self.notes() {
            self.core().watch.keep(self.worst());
            notes.forget_worst();
        }
    }

    /// The worst interruptions of the thread.
    pub(crate) fn worst(&self) -> Vec<SlowPause> {
        let notes = self.notes();
        notes.map_or(Vec::new(), |notes| notes.worst().map(|of| self.shown(&of)).collect())
    }
    /// An interruption of this record's owner, or of one before.
    pub(crate) fn shown(&self, of: &LongPause) -> SlowPause {
        let ns = ns_per_tick();
        SlowPause {
            kind: of.kind,
            time: of.ticks.time(ns),
            at: of.since.since(self.core().born).time(ns),
            thread: self.number.get(),
            thread_name: self.name_of(of.owner),
            place: of.place,
            cycle: of.cycle,
            phase: of.phase,
        }
    }
    /// The name of the thread that uses the record.
    pub(crate) fn name(&self) -> Option<String> {
        self.name.lock().as_deref().map(str::to_owned)
    }
    /// The same for the thread with the token `owner`, if that is still the one.
    fn name_of(&self, owner: u64) -> Option<String> {
        let name = self.name();
        name.filter(|_| self.owner.load(Ordering::Relaxed) == owner)
    }

    /// The interruptions of the thread that uses the record, as far as they are known.
    pub(crate) fn interruptions(&self) -> Interruptions {
        let (owned_since, total) = self.pauses.of_owner();
        let now = ticks();
        let (long, first) = self.notes().map_or((Vec::new(), 1), Notes::long);
        let oldest = long.first().map_or(owned_since, |pause| pause.since);
        let owner = self.owner.load(Ordering::Relaxed);
        let own = long.iter().filter(|of| of.owner == owner);
        let long: Vec<(Ticks, Ticks)> = own.map(|of| (of.since, of.ticks)).collect();
        // The oldest note is of this owner, and there were others before.
        let is_whole = first == 1 || oldest < owned_since;
        let from = if is_whole { owned_since } else { oldest };
        // Short ones are known by their sum only, since the owner came.
        let short = total.since(self.notes().map_or(Ticks::ZERO, Notes::long_ticks));
        let lived = now.since(owned_since).get().max(1);
        let known = KnownTime { from: from.min(now), to: now, is_whole };
        Interruptions::new(long, known, short.get() as f64 / lived as f64)
    }
    /// For how long the thread has used the record and was interrupted meanwhile; and what the
    /// system says of it.
    pub(crate) fn delay(&self) -> (Ticks, Ticks, Option<Scheduled>) {
        let (since, interrupted) = self.pauses.of_owner();
        let tid = self.tid.load(Ordering::Relaxed);
        (ticks().since(since), interrupted, scheduled(tid))
    }
}

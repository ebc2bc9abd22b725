#![forbid(unsafe_code)]
//! What a thread does where memory is short: it draws on a ration, and waits between two pins for
//! the next one.
//!
//! 1. A refill that needs fresh memory asks first ([`Record::ration`]). A refill from a span with
//!    free slots does not: it takes nothing that others need.
//! 2. Above a line (`pacing::limits`) fresh memory is taken from the thread's ration. It is taken
//!    also when the ration is used up, because inside a pin no thread can wait for a cycle: the
//!    cycle waits for that pin. But then the thread is *pressed*, and stalls before its next pin
//!    ([`Record::stall`]).
//! 3. A stall ends with the cycle that runs, or with the next one if none does; after its time; or
//!    when that cycle gets no further, because a thread stays inside a pin, and perhaps waits for
//!    this one. Meanwhile the thread helps to mark, and while it finds nothing to do it is counted
//!    hungry, so that the collector shares what it holds. Then it has a new ration, so it does not
//!    wait again before it has allocated.
//! 4. Under a soft limit a thread that stays in its pin and takes more sleeps a little at each
//!    refill, while the collector works beside this pin and does not wait for it
//!    ([`Record::linger`]).
//!
//! A thread never stalls inside another pin of its own, nor on the collector's threads.

use super::{Core, Record, on_collector_thread};
use crate::config::BLOCK;
use crate::heap::span::SpanClass;
use crate::mark::Hunger;
use crate::observe::clock::ticks;
use crate::observe::histogram::PauseKind;
use crate::pacing::{LEAST_RATION, LONGEST_STEP, Ration, Room, Tightness};
use crate::word::{Bytes, OnRefusal};
use std::time::{Duration, Instant};

/// How long a cycle may get no further before a stall gives it up; and once that has happened,
/// until it does get further.
const PATIENCE: Duration = Duration::from_millis(100);
const LESS_PATIENCE: Duration = Duration::from_millis(50);
/// Small objects that a thread which waits scans before it looks at the clock: some 0.2 ms.
const HELP: usize = 4096;
/// A sleep inside a pin.
const LINGER: Duration = Duration::from_millis(1);
/// Bytes of idle blocks that one refill gives back at most, unless it takes more than that itself.
const GIVE_BACK: Bytes = Bytes::of(64 * BLOCK);

impl Core {
    /// What the heap takes, and what it may.
    pub(crate) fn room(&self) -> Room {
        Room {
            used: Bytes::of(self.space.pages.used() * BLOCK),
            hard: Bytes::of(self.space.pages.limit() * BLOCK),
            external: self.credit.external(),
            kept: self.credit.kept(),
        }
    }
    /// Whether the heap is over the far line, and not because so much lives: then the next cycle
    /// has to free something before any thread goes on, within its time.
    fn is_far_over(&self) -> bool {
        let (room, soft) = (self.room(), self.limits.soft());
        let is_far = self.limits.tightness(room, Bytes::ZERO) == Tightness::Soft(LONGEST_STEP);
        is_far && room.kept <= soft
    }
}

impl Record {
    /// `bytes` of fresh memory are about to be taken.
    #[cold]
    pub(super) fn ration(&self, core: &Core, bytes: Bytes, on_refusal: OnRefusal) {
        if on_refusal == OnRefusal::Panics {
            self.panics.set(true);
        }
        let (step, hard) = match core.limits.tightness(core.room(), bytes) {
            Tightness::Free => {
                // A debt from before counts no more.
                self.ration.set(self.ration.get().max(0));
                return;
            }
            Tightness::Soft(step) => (step, false),
            Tightness::Hard(step) => {
                let time = core.config.stall(on_refusal);
                (step.unwrap_or_default().max(time), !time.is_zero())
            }
        };
        core.limits.set_near(true);
        core.control.nudge();
        let left = self.ration.get().saturating_sub_unsigned(bytes.get());
        self.ration.set(left);
        if left >= 0 || step.is_zero() {
            return;
        }
        let was_pressed = self.pressed.replace(true);
        self.stalls_hard.set(self.stalls_hard.get() || hard);
        if was_pressed && !hard {
            self.linger(core);
        }
    }

    /// Free slots of `bytes` of `class` are taken of a span that was in use.
    pub(super) fn draw_slots(
        &self,
        core: &Core,
        class: &SpanClass,
        bytes: Bytes,
        on_refusal: OnRefusal,
    ) {
        self.slots.set(self.slots.get().saturating_sub(bytes));
        if class.partial(self.sweeps.get()).top().is_none() {
            self.foresee(core, on_refusal);
        }
    }

    /// The last free slots that are known of their class were taken: the next refill needs fresh
    /// memory, if no cycle comes before. So where memory is short, a thread that has used up its
    /// ration of slots should wait now. After a cycle it gets the slots that the cycle found; after
    /// the next refill it would have taken a block although they would have done.
    #[cold]
    pub(super) fn foresee(&self, core: &Core, on_refusal: OnRefusal) {
        if !self.slots.get().is_zero() {
            return;
        }
        let hard = match core.limits.tightness(core.room(), Bytes::ZERO) {
            Tightness::Free => return,
            Tightness::Soft(_) => false,
            Tightness::Hard(step) => {
                let waits = !core.config.stall(on_refusal).is_zero();
                if !waits && step.is_none() {
                    return;
                }
                waits
            }
        };
        core.limits.set_near(true);
        self.pressed.set(true);
        self.stalls_hard.set(self.stalls_hard.get() || hard);
    }

    /// Another thread begins to use the record.
    pub(super) fn forget_ration(&self) {
        self.pressed.set(false);
        self.stalls_hard.set(false);
        self.was_refused.set(false);
        self.panics.set(false);
        self.hopeless.set(None);
        self.set_ration(Ration::default());
    }

    /// `bytes` more are held outside of the heap: they are part of what the soft limit bounds, and
    /// of what the collector has to keep up with.
    #[cold]
    pub(crate) fn pace_external(&self, bytes: Bytes) {
        let core = self.core();
        let tightness = core.limits.tightness(core.room(), Bytes::ZERO);
        if matches!(tightness, Tightness::Soft(_) | Tightness::Hard(Some(_))) {
            self.ration(core, bytes, OnRefusal::Returns);
        }
        self.pace(core);
    }

    /// An allocation was refused, and a cycle may help the next one. A thread that also allocates
    /// with forms that panic waits for it, since it may do so next; one that does not goes on.
    #[cold]
    pub(super) fn refused(&self, core: &Core, on_refusal: OnRefusal) {
        core.limits.set_near(true);
        core.control.wish();
        let on_refusal = if self.panics.get() { OnRefusal::Panics } else { on_refusal };
        if !core.config.stall(on_refusal).is_zero() {
            self.pressed.set(true);
            self.was_refused.set(true);
        }
    }

    /// A run of blocks is about to be taken under a soft limit. Where idle blocks do not make up
    /// such a run, it comes on top of them: then as many of those go back first as are over the
    /// limit with it.
    pub(super) fn make_room(&self, core: &Core, run: Bytes) {
        let soft = core.limits.soft();
        if soft == Bytes::MAX || run <= Bytes::of(BLOCK) {
            return;
        }
        let room = core.room();
        let idle = Bytes::of(core.space.pages.idle() * BLOCK);
        let total = room.used.saturating_add(room.external).saturating_add(idle);
        let over = total.saturating_add(run).saturating_sub(soft);
        let most = over.min(run.max(GIVE_BACK));
        if !idle.is_zero() && !most.is_zero() {
            core.space.release(most.size());
        }
    }

    /// Memory is short: waits, before the next pin, for a cycle to free something.
    #[cold]
    #[inline(never)]
    pub(super) fn stall(&self) {
        self.pressed.set(false);
        let was_refused = self.was_refused.replace(false);
        let hard = self.stalls_hard.replace(false) || was_refused;
        let core = self.core();
        let time = match core.limits.tightness(core.room(), Bytes::ZERO) {
            _ if was_refused => core.config.stall(OnRefusal::Panics),
            Tightness::Free => return,
            Tightness::Hard(_) if hard => core.config.stall(OnRefusal::Panics),
            Tightness::Soft(step) | Tightness::Hard(Some(step)) => self.step(step),
            Tightness::Hard(None) => return,
        };
        // A pin of this thread through another record would be waited for in vain.
        if time.is_zero() || on_collector_thread() || core.is_pinned_here() {
            return self.set_ration(Ration::LEAST);
        }
        let since = ticks();
        let has_hope = self.hopeless.get() != Some(core.control.steps());
        let patience = if has_hope { PATIENCE } else { LESS_PATIENCE };
        let until = Instant::now() + time;
        let marked = || core.marking.found_bytes();
        // The thread has nothing else to do with its core. It is outside of every pin, as the
        // additional markers are.
        let hunger = Hunger::new(&core.marking);
        let help = || {
            let has_helped = core.control.is_in_cycle() && self.assist(core, HELP);
            hunger.set(!has_helped);
            has_helped
        };
        let ended = loop {
            let ended = core.control.stall(until, patience, &marked, &help);
            if hard || !ended || !core.is_far_over() || Instant::now() >= until {
                break ended;
            }
        };
        hunger.set(false);
        let is_stuck = !ended && Instant::now() < until;
        if ended {
            // What the cycle found dead may have destructors. These are waited for as long as they
            // return.
            core.drops
                .await_room(|| core.limits.tightness(core.room(), Bytes::ZERO) == Tightness::Free);
        }
        self.hopeless.set(is_stuck.then(|| core.control.steps()));
        self.paused(PauseKind::Stall, since);
        let share = core.limits.share(core.room(), core.credit.counted(), hard);
        // A cycle that has not ended has freed nothing. What is free anyway is there to be used.
        let fresh = if ended { share.fresh } else { LEAST_RATION };
        self.set_ration(Ration { fresh, ..share });
    }

    fn set_ration(&self, Ration { fresh, slots }: Ration) {
        self.ration.set(fresh.get() as i64);
        self.slots.set(slots);
    }

    /// How long a wait lasts at most for what this thread has taken beyond its ration: so many
    /// steps as it was blocks.
    fn step(&self, step: Duration) -> Duration {
        let blocks = Bytes::new(self.ration.get().min(0).unsigned_abs()) / LEAST_RATION;
        step.saturating_mul(blocks.clamp(1, 100) as u32).min(LONGEST_STEP)
    }

    /// Sleeps a little inside a pin, if a cycle goes on meanwhile.
    fn linger(&self, core: &Core) {
        let is_awaited = !self.crossing.has_seen(core.epoch.load());
        if is_awaited || !core.control.is_in_cycle() || on_collector_thread() {
            return;
        }
        let since = ticks();
        core.control.linger(LINGER);
        self.paused(PauseKind::Stall, since);
    }
}

#![forbid(unsafe_code)]
//! The lives of spans, for a timeline ([`super::timeline`]): allocated, cached, in use, swept,
//! freed.
//!
//! A busy heap moves a span every few microseconds, so one span in so many is followed, by its
//! number. While none is, each step costs a load and a branch.

/// A state in the life of a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SpanState {
    /// Its blocks were taken from the page heap.
    Allocated,
    /// A thread has it, and allocates from it.
    Cached,
    /// It is in a list of its class.
    InUse,
    /// It was swept.
    Swept,
    /// Its blocks went back to the page heap.
    Freed,
}

impl SpanState {
    /// The name in lower case.
    #[cfg(not(loom))]
    pub(crate) fn name(self) -> &'static str {
        match self {
            SpanState::Allocated => "allocated",
            SpanState::Cached => "cached",
            SpanState::InUse => "in use",
            SpanState::Swept => "swept",
            SpanState::Freed => "freed",
        }
    }
    #[cfg(not(loom))]
    const ALL: [SpanState; 5] = [
        SpanState::Allocated,
        SpanState::Cached,
        SpanState::InUse,
        SpanState::Swept,
        SpanState::Freed,
    ];
}

#[cfg(all(feature = "timeline", not(loom)))]
pub(crate) use followed::LifeStep;
#[cfg(not(loom))]
pub(crate) use followed::SpanLife;

/// In the models no span is followed.
#[cfg(loom)]
#[derive(Debug, Default)]
pub(crate) struct SpanLife {}

#[cfg(loom)]
impl SpanLife {
    pub(crate) fn note(
        &self,
        _span: crate::word::BlockId,
        _class: crate::word::ClassId,
        _state: SpanState,
    ) {
    }
}

#[cfg(not(loom))]
mod followed {
    use super::super::clock;
    use super::super::note::{Note, Tape};
    use super::SpanState;
    use crate::sync::Mutex;
    use crate::sync::plain::{AtomicU32, Ordering};
    use crate::word::{BlockId, Bytes, ClassId, Ticks};

    /// The lives of some spans, one in so many by their numbers.
    ///
    /// `every` is 0 while none is followed. Written by a recorder, read by all threads. It
    /// publishes nothing. The tape is written under the lock.
    #[derive(Debug)]
    pub(crate) struct SpanLife {
        every: AtomicU32,
        /// What the tape may still take.
        chunks: AtomicU32,
        writing: Mutex<()>,
        tape: Tape,
    }

    impl Default for SpanLife {
        fn default() -> Self {
            let [every, chunks] = [0; 2].map(AtomicU32::new);
            SpanLife { every, chunks, writing: Mutex::new(()), tape: Tape::long() }
        }
    }

    impl SpanLife {
        /// Follows one span in `every` from now on (0: none). The tape may take `bytes` more.
        pub(crate) fn follow(&self, every: u32, bytes: Bytes) {
            let chunks = u32::try_from(bytes.get() / Tape::CHUNK_BYTES).unwrap_or(u32::MAX);
            self.chunks.store(chunks, Ordering::Relaxed);
            self.every.store(every, Ordering::Relaxed);
        }
        /// Notes that a span of a class comes to a state.
        #[inline(always)]
        pub(crate) fn note(&self, span: BlockId, class: ClassId, state: SpanState) {
            let every = self.every.load(Ordering::Relaxed);
            if every != 0 && span.index().is_multiple_of(every as usize) {
                self.note_followed(span, class, state);
            }
        }
        #[cold]
        #[inline(never)]
        fn note_followed(&self, span: BlockId, class: ClassId, state: SpanState) {
            let what = (span.index() as u64) << 32 | u64::from(class.get());
            let words = [clock::ticks().get(), what, state as u64, 0];
            let may_grow = || {
                let left = self.chunks.load(Ordering::Relaxed);
                self.chunks.store(left.saturating_sub(1), Ordering::Relaxed);
                left > 0
            };
            let _one_at_a_time = self.writing.lock();
            self.tape.push(&Note { words, place: None }, may_grow);
        }
        /// What was noted, in its order.
        pub(crate) fn steps(&self) -> Vec<LifeStep> {
            let step = |(_, note): (u64, Note)| {
                let [at, what, state, _] = note.words;
                let state = *SpanState::ALL.get(state as usize)?;
                Some(LifeStep {
                    at: Ticks::new(at),
                    span: (what >> 32) as u32,
                    class: what as u32,
                    state,
                })
            };
            self.tape.read().into_iter().filter_map(step).collect()
        }
    }

    /// A step in the life of a span: when, of which class, and to which state.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(crate) struct LifeStep {
        pub(crate) at: Ticks,
        pub(crate) span: u32,
        pub(crate) class: u32,
        pub(crate) state: SpanState,
    }
}

#[cfg(all(test, not(loom), not(shuttle)))]
mod tests {
    use super::*;
    use crate::word::{BlockId, Bytes, ClassId};

    #[test]
    fn one_span_in_so_many_is_followed() {
        let life = SpanLife::default();
        life.note(BlockId::new(0), ClassId::new(1), SpanState::Cached);
        life.follow(4, Bytes::new(1 << 20));
        (0..16).for_each(|span| life.note(BlockId::new(span), ClassId::new(7), SpanState::Swept));
        let steps = life.steps();
        let spans: Vec<u32> = steps.iter().map(|step| step.span).collect();
        assert_eq!(spans, [0, 4, 8, 12]);
        assert!(steps.iter().all(|step| step.class == 7 && step.state == SpanState::Swept));
    }
}

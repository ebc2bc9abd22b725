//! Notes of what one thread did and when: a bounded tape that the thread writes without waiting,
//! and that any thread reads at any time.
//!
//! 1. The owner writes each [`Note`] into the next place of its [`Tape`], over the oldest one when
//!    the tape is full ([`Tape::push`]).
//! 2. A place carries a *turn*: odd while its note is written, and then twice the number of the
//!    note. A reader takes the turn, the words, and the turn again ([`Place::read`]). If the two
//!    turns differ, the owner was there meanwhile, and the reader has no note.
//! 3. A tape grows in chunks as long as its owner may have one, so a thread that has little to note
//!    takes little.
//!
//! The writer stores the words with Release, and the reader loads them with Acquire: who reads a
//! word of a later note sees its odd turn (or a later one) at the second look. This is the
//! sequence lock of Boehm, "Can seqlocks get along with programming language memory models?"
//! (2012).

use crate::sync::{AtomicPtr, AtomicU64, Ordering};
use std::panic::Location;

/// Words of a note.
pub const WORDS: usize = 4;

/// What a thread has noted: words that the reader understands, and a place in the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Note {
    /// What happened.
    pub words: [u64; WORDS],
    /// Where in the program.
    pub place: Option<&'static Location<'static>>,
}

/// A place for one note.
///
/// | turn | state | next, by the owner |
/// |---|---|---|
/// | 0 | empty | `write` begins |
/// | odd | a note is being written | `write` ends |
/// | 2n, n > 0 | has note n | `write` begins, `clear` |
#[derive(Debug)]
pub struct Place {
    /// Written by the owner; read by any thread, before the words and after them.
    turn: AtomicU64,
    words: [AtomicU64; WORDS],
    place: AtomicPtr<Location<'static>>,
}

impl Default for Place {
    fn default() -> Self {
        Place::new()
    }
}

impl Place {
    /// An empty place.
    #[must_use]
    pub fn new() -> Place {
        Place {
            turn: AtomicU64::new(0),
            words: std::array::from_fn(|_| AtomicU64::new(0)),
            place: AtomicPtr::new(std::ptr::null_mut()),
        }
    }
    /// Writes note `number`, which is not zero. The owner only.
    pub fn write(&self, number: u64, note: &Note) {
        self.turn.store(2 * number - 1, Ordering::Relaxed);
        for (word, &value) in self.words.iter().zip(&note.words) {
            word.store(value, Ordering::Release);
        }
        let place = note.place.map_or(std::ptr::null(), std::ptr::from_ref);
        self.place.store(place.cast_mut(), Ordering::Release);
        self.turn.store(2 * number, Ordering::Release);
    }
    /// The note that is there, and its number. `None` if there is none, or the owner is writing.
    pub fn read(&self) -> Option<(u64, Note)> {
        let turn = self.turn.load(Ordering::Acquire);
        if turn == 0 || turn % 2 == 1 {
            return None;
        }
        let words = std::array::from_fn(|i| self.words[i].load(Ordering::Acquire));
        let place = self.place.load(Ordering::Acquire);
        if self.turn.load(Ordering::Relaxed) != turn {
            return None;
        }
        // SAFETY: INV-10: only `write` stores here, and what it stores lives as long as the
        // program. The compiler made it, so every thread sees it initialised.
        let place = unsafe { place.as_ref() };
        Some((turn / 2, Note { words, place }))
    }
    /// Makes the place empty. The owner only.
    #[cfg(not(loom))]
    pub(super) fn clear(&self) {
        self.turn.store(0, Ordering::Relaxed);
    }
}

#[cfg(not(loom))]
pub(crate) use tape::Tape;

#[cfg(not(loom))]
mod tape {
    use super::{Note, Place};
    use crate::sync::OnceLock;
    use crate::sync::plain::{AtomicU64, Ordering};

    /// Places of a chunk of a long tape: 6 KiB.
    const CHUNK: usize = 128;

    /// The newest notes of one thread.
    #[derive(Debug)]
    pub(crate) struct Tape {
        chunks: Box<[OnceLock<Box<[Place]>>]>,
        /// Places of a chunk.
        places: usize,
        /// Notes written so far. Written by the owner after each; a hint for readers.
        written: AtomicU64,
        /// Where the next note goes. The owner's.
        next: AtomicU64,
    }

    impl Tape {
        /// Bytes of a chunk.
        pub(crate) const CHUNK_BYTES: u64 = (CHUNK * size_of::<Place>()) as u64;

        /// A tape of 32,768 notes, in chunks of [`CHUNK_BYTES`](Self::CHUNK_BYTES).
        pub(crate) fn long() -> Tape {
            Tape::of(256, CHUNK)
        }
        /// A tape of at most so many chunks of so many places.
        pub(crate) fn of(chunks: usize, places: usize) -> Tape {
            Tape {
                chunks: (0..chunks).map(|_| OnceLock::new()).collect(),
                places,
                written: AtomicU64::new(0),
                next: AtomicU64::new(0),
            }
        }
        /// Writes a note. Asks `may_grow` before it makes a chunk. Where the system has no memory
        /// for one, the note is lost, and the program goes on. The owner only.
        pub(crate) fn push(&self, note: &Note, may_grow: impl FnOnce() -> bool) {
            let mut at = self.next.load(Ordering::Relaxed) as usize;
            if at.is_multiple_of(self.places) {
                let chunk = self.chunks.get(at / self.places);
                if !chunk.is_some_and(|chunk| chunk.get().is_some() || may_grow()) {
                    // Over the oldest note.
                    at = 0;
                    if self.chunks[0].get().is_none() {
                        return;
                    }
                }
            }
            let chunk = &self.chunks[at / self.places];
            if chunk.get().is_none() {
                let mut made = Vec::new();
                if made.try_reserve_exact(self.places).is_err() {
                    return;
                }
                made.resize_with(self.places, Place::new);
                chunk.get_or_init(|| made.into_boxed_slice());
            }
            let written = self.written.load(Ordering::Relaxed) + 1;
            if let Some(chunk) = chunk.get() {
                chunk[at % self.places].write(written, note);
            }
            self.next.store(at as u64 + 1, Ordering::Relaxed);
            self.written.store(written, Ordering::Release);
        }
        /// Notes written so far.
        pub(crate) fn written(&self) -> u64 {
            self.written.load(Ordering::Acquire)
        }
        /// The notes that are there, in their order, with their numbers from 1.
        pub(crate) fn read(&self) -> Vec<(u64, Note)> {
            let chunks = self.chunks.iter().filter_map(OnceLock::get);
            let mut notes: Vec<_> =
                chunks.flat_map(|chunk| chunk.iter().filter_map(Place::read)).collect();
            notes.sort_unstable_by_key(|(number, _)| *number);
            notes
        }
    }
}

#[cfg(all(test, not(loom), not(shuttle)))]
mod tests {
    use super::*;

    fn note(n: u64) -> Note {
        Note { words: [n; WORDS], place: None }
    }

    #[test]
    fn a_full_tape_keeps_the_newest_notes() {
        let tape = Tape::of(2, 128);
        for n in 1..=1000 {
            tape.push(&note(n), || true);
        }
        let numbers: Vec<u64> = tape.read().iter().map(|(number, _)| *number).collect();
        assert_eq!(numbers, (745..=1000).collect::<Vec<_>>());
        assert!(tape.read().iter().all(|(number, of)| *of == note(*number)));
        assert_eq!(tape.written(), 1000);
    }

    #[test]
    fn a_tape_that_may_not_grow_keeps_what_it_has() {
        let (tape, mut left) = (Tape::of(8, 128), 1);
        for n in 1..=300 {
            tape.push(&note(n), || std::mem::take(&mut left) > 0);
        }
        assert_eq!(tape.read().len(), 128);
        let none = Tape::of(8, 128);
        none.push(&note(1), || false);
        assert_eq!((none.read().len(), none.written()), (0, 0));
    }

    #[test]
    fn a_reader_beside_the_owner_sees_whole_notes() {
        let tape = Tape::of(1, 128);
        std::thread::scope(|s| {
            s.spawn(|| (1..200_000).for_each(|n| tape.push(&note(n), || true)));
            for _ in 0..2000 {
                for (number, of) in tape.read() {
                    assert_eq!(of, note(number), "torn");
                }
            }
        });
    }
}

#![forbid(unsafe_code)]
//! Where a thread asks the collector for something that only a cycle can give, and gets it: the
//! graph of a snapshot.
//!
//! 1. A thread asks, for a cycle that begins later ([`Desk::ask`]). One at a time: a second one is
//!    told so.
//! 2. The collector looks once in each cycle ([`Desk::serve`]) and leaves what it made.
//! 3. The thread takes it when the cycle has ended ([`Request::take`]). A thread that gives up, or
//!    panics, leaves the desk free ([`Request`]'s drop).

use crate::sync::Mutex;
use crate::word::Cycle;

#[derive(Debug)]
enum State<T> {
    Free,
    /// From this cycle on.
    Asked(Cycle),
    Made(T),
    /// Until the request is dropped. Another thread may ask after that.
    Taken,
}

/// The place of one request.
#[derive(Debug)]
pub(crate) struct Desk<T>(Mutex<State<T>>);

/// A request that a thread has made.
#[derive(Debug)]
pub(crate) struct Request<'a, T>(&'a Desk<T>);

impl<T> Desk<T> {
    pub(crate) fn new() -> Desk<T> {
        Desk(Mutex::new(State::Free))
    }
    /// Asks for what the cycle with number `from` or a later one makes. `None` if another thread
    /// has asked and not got it.
    pub(crate) fn ask(&self, from: Cycle) -> Option<Request<'_, T>> {
        let mut state = self.0.lock();
        if !matches!(*state, State::Free) {
            return None;
        }
        *state = State::Asked(from);
        Some(Request(self))
    }
    /// Makes what was asked for, if it was, for the cycle with number `cycle`. By the collector.
    /// The lock is not held meanwhile.
    pub(crate) fn serve(&self, cycle: Cycle, make: impl FnOnce() -> T) {
        let is_asked = |state: &State<T>| matches!(state, State::Asked(from) if *from <= cycle);
        if !is_asked(&self.0.lock()) {
            return;
        }
        let made = make();
        let mut state = self.0.lock();
        if is_asked(&state) {
            *state = State::Made(made);
        }
    }
}

impl<T> Request<'_, T> {
    /// Takes what was made, if it was.
    pub(crate) fn take(self) -> Option<T> {
        match std::mem::replace(&mut *self.0.0.lock(), State::Taken) {
            State::Made(made) => Some(made),
            _ => None,
        }
    }
}

impl<T> Drop for Request<'_, T> {
    fn drop(&mut self) {
        let state = std::mem::replace(&mut *self.0.0.lock(), State::Free);
        drop(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_request_at_a_time_is_served_by_a_later_cycle() {
        let desk = Desk::new();
        desk.serve(Cycle::new(1), || panic!("no thread asked"));
        let request = desk.ask(Cycle::new(3)).unwrap();
        assert!(desk.ask(Cycle::new(3)).is_none());
        desk.serve(Cycle::new(2), || panic!("a cycle that had begun before"));
        desk.serve(Cycle::new(3), || "graph");
        desk.serve(Cycle::new(4), || panic!("it was served"));
        assert!(desk.ask(Cycle::new(5)).is_none(), "not taken yet");
        assert_eq!(request.take(), Some("graph"));
        drop(desk.ask(Cycle::new(5)).unwrap());
        desk.serve(Cycle::new(6), || panic!("the thread gave up"));
        assert_eq!(desk.ask(Cycle::new(7)).unwrap().take(), None);
    }

    #[test]
    fn a_thread_that_has_taken_its_own_does_not_end_the_next_request() {
        let (desk, cycle) = (Desk::new(), Cycle::new(1));
        let served = || {
            let request = desk.ask(cycle)?;
            desk.serve(cycle, || ());
            Some(request.take())
        };
        std::thread::scope(|s| {
            for _ in 0..2 {
                s.spawn(|| {
                    for _ in 0..100_000 {
                        assert_ne!(served(), Some(None), "another thread ended it");
                    }
                });
            }
        });
    }
}

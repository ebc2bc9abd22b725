//! Where a thread has begun its pin: written by the thread, read by the collector that waits for
//! it.

use crate::sync::plain::{AtomicPtr, Ordering};
use std::panic::Location;

/// A place in the program, or none yet.
///
/// Written by the owner of the record at the start of each outermost pin; read by the collector at
/// any time. It may be stale by one pin: it is shown and decides nothing.
#[derive(Debug)]
pub(crate) struct Site(AtomicPtr<Location<'static>>);

impl Site {
    pub(crate) const fn new() -> Site {
        Site(AtomicPtr::new(std::ptr::null_mut()))
    }
    #[inline(always)]
    pub(crate) fn set(&self, place: &'static Location<'static>) {
        self.0.store(std::ptr::from_ref(place).cast_mut(), Ordering::Relaxed);
    }
    pub(crate) fn get(&self) -> Option<&'static Location<'static>> {
        // SAFETY: INV-10: only `set` writes here, and what it writes lives as long as the program.
        // It was made by the compiler, so every thread sees it initialised.
        unsafe { self.0.load(Ordering::Relaxed).as_ref() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_one_that_was_set_last() {
        let place = Site::new();
        assert_eq!(place.get(), None);
        place.set(Location::caller());
        assert_eq!(place.get().map(Location::file), Some(file!()));
    }
}

#![forbid(unsafe_code)]
//! What each class of spans takes, and what of it objects fill.

use std::fmt;

/// What the objects of one class take: those of a type, its arrays of about one length, or data
/// without pointers and destructors of about one size. From
/// [`Heap::classes`](crate::Heap::classes).
///
/// A span of a class is used for that class only, so its free slots wait for objects like those
/// that died ([`waste_bytes`](Self::waste_bytes)). A class with much waste and few live objects is
/// a type whose objects outlived a burst here and there.
///
/// ```
/// use gc_core::{ClassStats, Heap, Root};
/// let heap = Heap::new();
/// let kept: Root<String> = heap.mutate(|mc| mc.root(String::from("kept")));
/// heap.collect()?;
/// let classes: Vec<ClassStats> = heap.classes();
/// let strings = classes.iter().find(|class| class.type_name.ends_with("String")).unwrap();
/// assert_eq!(strings.live_objects, 1);
/// assert!(strings.waste_bytes() > 0, "the rest of the block");
/// # drop(kept);
/// # Ok::<(), gc_core::CollectError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClassStats {
    /// The type's name, or "leaf data", which has a class for each size and not for each type.
    pub type_name: &'static str,
    /// Whether the objects are arrays of the type.
    pub is_array: bool,
    /// Bytes of a slot; 0 if each object has a span of its own, as large as it is.
    pub slot_bytes: usize,
    /// Objects not yet found dead, and slots that a thread has taken for its next ones.
    pub live_objects: u64,
    /// Bytes of their slots (or spans).
    pub live_bytes: u64,
    /// Spans.
    pub spans: u64,
    /// Bytes of their blocks.
    pub span_bytes: u64,
    /// Those of the spans that a thread's cache holds.
    pub cached_spans: u64,
    /// Those without a free slot, cached ones included.
    pub full_spans: u64,
    /// How often a thread that had used up its span got another one with free slots in it, or just
    /// swept. At first a thread holds no span: what it takes slot by slot then is not counted.
    pub refills_reused: u64,
    /// How often it got fresh blocks instead.
    pub refills_fresh: u64,
}

impl ClassStats {
    /// Bytes in spans that are no object's: free slots, and what does not fill a slot at the end of
    /// a span.
    #[must_use]
    pub fn waste_bytes(&self) -> u64 {
        self.span_bytes.saturating_sub(self.live_bytes)
    }
    /// Spans with free slots that no thread's cache holds. A cached span that is used up counts as
    /// full and as cached, so there may be a few more.
    ///
    /// ```
    /// let heap = gc_core::Heap::new();
    /// let kept = heap.mutate(|mc| gc_core::Gc::root(gc_core::Gc::new(mc, vec![1, 2, 3]), mc));
    /// heap.collect().unwrap();
    /// let idle: u64 = heap.classes().iter().map(|class| class.idle_spans()).sum();
    /// assert_eq!(idle, 1, "the cycle took the span from this thread");
    /// # let _: &gc_core::Root<Vec<i32>> = &kept;
    /// ```
    #[must_use]
    pub fn idle_spans(&self) -> u64 {
        self.spans.saturating_sub(self.cached_spans.saturating_add(self.full_spans))
    }
}

/// One line: slot, live objects, bytes live and in spans, refills, name.
impl fmt::Display for ClassStats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ClassStats { live_objects, spans, refills_reused, refills_fresh, .. } = self;
        if self.slot_bytes == 0 {
            write!(f, "large")?;
        } else {
            write!(f, "{} B", self.slot_bytes)?;
        }
        let (live, all) = (self.live_bytes >> 10, self.span_bytes >> 10);
        write!(f, ": {live_objects} objects, {live} of {all} KiB in {spans} spans, ")?;
        write!(f, "{refills_reused} refills reused and {refills_fresh} fresh: ")?;
        if self.is_array { write!(f, "[{}]", self.type_name) } else { f.write_str(self.type_name) }
    }
}

/// Refills of all classes, for the pacer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Refills {
    /// From spans in use.
    pub(crate) reused: u64,
    /// From fresh blocks.
    pub(crate) fresh: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_waits_in_spans() {
        let mut class = ClassStats {
            type_name: "Node",
            is_array: false,
            slot_bytes: 24,
            live_objects: 100,
            live_bytes: 2400,
            spans: 2,
            span_bytes: 32 << 10,
            cached_spans: 1,
            full_spans: 0,
            refills_reused: 1,
            refills_fresh: 2,
        };
        assert_eq!((class.waste_bytes(), class.idle_spans()), ((32 << 10) - 2400, 1));
        let text = "24 B: 100 objects, 2 of 32 KiB in 2 spans, 1 refills reused and 2 fresh: Node";
        assert_eq!(class.to_string(), text);
        (class.is_array, class.slot_bytes) = (true, 0);
        assert!(
            class.to_string().starts_with("large: ") && class.to_string().ends_with(": [Node]")
        );
    }
}

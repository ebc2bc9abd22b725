//! What the peers share whose pointers a program can hold anywhere: a field that changes, and the
//! objects of the workloads made of their pointers.

#![forbid(unsafe_code)]

use std::cell::RefCell;
use std::sync::{Mutex, PoisonError};

/// Why an engine that counts references does not run `mark`.
pub(super) const NEVER_MARKS: &str = "it searches dead cycles only and never marks what is live";

/// A field of an object that holds a pointer or none, and changes.
pub(super) trait Field<T> {
    fn holding(value: Option<T>) -> Self;
    fn load(&self) -> Option<T>;
    /// Returns what the field held.
    fn put(&self, value: Option<T>) -> Option<T>;
    /// Lends what the field holds.
    fn lend<R>(&self, look: impl FnOnce(Option<&T>) -> R) -> R;
}

impl<T: Clone> Field<T> for RefCell<Option<T>> {
    #[inline(always)]
    fn holding(value: Option<T>) -> Self {
        RefCell::new(value)
    }

    #[inline(always)]
    fn load(&self) -> Option<T> {
        self.borrow().clone()
    }

    #[inline(always)]
    fn put(&self, value: Option<T>) -> Option<T> {
        RefCell::replace(self, value)
    }

    #[inline(always)]
    fn lend<R>(&self, look: impl FnOnce(Option<&T>) -> R) -> R {
        look(self.borrow().as_ref())
    }
}

impl<T: Clone> Field<T> for Mutex<Option<T>> {
    #[inline(always)]
    fn holding(value: Option<T>) -> Self {
        Mutex::new(value)
    }

    #[inline(always)]
    fn load(&self) -> Option<T> {
        self.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    #[inline(always)]
    fn put(&self, value: Option<T>) -> Option<T> {
        std::mem::replace(&mut *self.lock().unwrap_or_else(PoisonError::into_inner), value)
    }

    #[inline(always)]
    fn lend<R>(&self, look: impl FnOnce(Option<&T>) -> R) -> R {
        look(self.lock().unwrap_or_else(PoisonError::into_inner).as_ref())
    }
}

/// Implements [`Pointers`](crate::objects) and `SharedPointers` for `$engine` with the objects
/// `Pair`, `Node`, `Link` and `Message`, which each file defines because the crates' derives do not
/// see through a macro: `$ptr` is their pointer, `$cell` the field that changes, `$rest` what the
/// crate has to be asked for after a batch.
macro_rules! pointers {
    ($engine:ident: $ptr:ident, $cell:ident, rest: $rest:expr) => {
        impl Node {
            fn populate(&self, depth: u32) {
                if depth == 0 {
                    return;
                }
                let new = || Some(<$engine as $crate::objects::Pointers>::node(None, None));
                drop($crate::peers::pointers::Field::put(&self.left, new()));
                drop($crate::peers::pointers::Field::put(&self.right, new()));
                for child in [&self.left, &self.right] {
                    $crate::peers::pointers::Field::lend(child, |node| {
                        node.expect("it was just stored").populate(depth - 1);
                    });
                }
            }

            fn size(&self) -> u64 {
                debug_assert!(self.i == 0 && self.j == 0);
                let below = |child| {
                    $crate::peers::pointers::Field::lend(child, |node| {
                        node.map_or(0, |node: &$ptr<Node>| node.size())
                    })
                };
                1 + below(&self.left) + below(&self.right)
            }
        }

        impl $crate::objects::Pointers for $engine {
            type Pair = $ptr<Pair>;
            type Node = $ptr<Node>;
            type Message = $ptr<Message>;

            #[inline(always)]
            fn pair(left: Option<Self::Pair>, right: Option<Self::Pair>) -> Self::Pair {
                $ptr::new(Pair { left, right })
            }

            #[inline(always)]
            fn sides(pair: &Self::Pair) -> (Option<&Self::Pair>, Option<&Self::Pair>) {
                (pair.left.as_ref(), pair.right.as_ref())
            }

            #[inline(always)]
            fn node(left: Option<Self::Node>, right: Option<Self::Node>) -> Self::Node {
                let field = $crate::peers::pointers::Field::holding;
                let (left, right) = (field(left), $crate::peers::pointers::Field::holding(right));
                $ptr::new(Node { left, right, i: 0, j: 0 })
            }

            fn populate(node: &mut Self::Node, depth: u32) {
                node.populate(depth);
            }

            fn size(node: &Self::Node) -> u64 {
                node.size()
            }

            #[inline(always)]
            fn message(fill: u8) -> Self::Message {
                $ptr::new(Message { bytes: [fill; $crate::objects::MESSAGE] })
            }

            fn bytes(message: &Self::Message) -> &[u8; $crate::objects::MESSAGE] {
                &message.bytes
            }

            #[inline(always)]
            fn rest() {
                $rest
            }
        }

        impl $crate::objects::SharedPointers for $engine {
            type Link = $ptr<Link>;
            type Slot = $cell<Option<$ptr<Link>>>;

            #[inline(always)]
            fn link(next: Option<Self::Link>, val: u64, words: [u64; 3]) -> Self::Link {
                $ptr::new(Link { next: $crate::peers::pointers::Field::holding(next), val, words })
            }

            #[inline(always)]
            fn next(link: &Self::Link) -> &Self::Slot {
                &link.next
            }

            fn words(link: &Self::Link) -> (u64, [u64; 3]) {
                (link.val, link.words)
            }

            #[inline(always)]
            fn slot(link: Option<Self::Link>) -> Self::Slot {
                $crate::peers::pointers::Field::holding(link)
            }

            #[inline(always)]
            fn load(slot: &Self::Slot) -> Option<Self::Link> {
                $crate::peers::pointers::Field::load(slot)
            }

            #[inline(always)]
            fn replace(slot: &Self::Slot, link: Option<Self::Link>) -> Option<Self::Link> {
                $crate::peers::pointers::Field::put(slot, link)
            }
        }
    };
}
pub(super) use pointers;

//! A field that holds a `Gc` cannot be skipped, whatever hides its type.

#![forbid(unsafe_code)]

use gc_core::{Gc, Trace};
use std::ops::Deref;

macro_rules! hidden {
    () => { Option<Gc<'gc, u64>> };
}

#[derive(Trace)]
struct ByMacro<'gc> {
    seen: Gc<'gc, u64>,
    #[trace(skip)]
    unseen: hidden!(),
}

trait Names {
    type Other;
}

#[derive(Trace)]
struct ByProjection<T: Names>(#[trace(skip)] T::Other);

macro_rules! fragment {
    ($name:ident $skipped:ty) => {
        #[derive(Trace)]
        enum $name<'gc> {
            One(#[trace(skip)] $skipped, Gc<'gc, u64>),
        }
    };
}
fragment!(ByFragment hidden!());

/// A field that is not traced, but leads to something that is.
struct Smart<'gc>(Gc<'gc, u64>);

impl<'gc> Deref for Smart<'gc> {
    type Target = Gc<'gc, u64>;
    fn deref(&self) -> &Gc<'gc, u64> {
        &self.0
    }
}

#[derive(Trace)]
struct ByDeref<'gc>(Smart<'gc>);

fn main() {}

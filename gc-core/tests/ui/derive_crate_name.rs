//! A crate that gives the name `gc_core` to a module of its own gets no more than others.

#![forbid(unsafe_code)]

extern crate gc_core as real;
extern crate self as gc_core;

pub mod __private {
    pub use real::__private::*;

    pub trait MoveDropToAFieldWithoutPointers {}
    pub const fn assert_leaf<T: ?Sized>() {}

    /// A family of its own: a number at one brand is a text at another.
    pub trait Family {
        type At<'gc>: ?Sized;
    }
    pub trait Rootable<'gc> {
        type Family: ?Sized;
    }
    impl Family for u8 {
        type At<'gc> = String;
    }
    impl Rootable<'_> for String {
        type Family = u8;
    }
}

use real::{Gc, Trace};

#[derive(Trace)]
struct Loud<'gc>(Gc<'gc, u64>);

impl Drop for Loud<'_> {
    fn drop(&mut self) {}
}

#[derive(Trace)]
struct Hidden<V>(#[trace(skip)] V);

#[derive(Trace)]
struct Link<'gc, V: ?Sized>(Gc<'gc, V>);

/// The same by the attribute, with a tracer of its own.
mod fake {
    pub mod __private {
        pub use real::__private::*;

        pub struct Tracer<'gc>(&'gc u8);

        impl Tracer<'_> {
            pub fn edges<T: ?Sized>(&mut self, _: &T) {}
            pub fn field<T: ?Sized>(&mut self, _: &'static str, _: &T) {}
            pub fn __no_drop<T: ?Sized, M>(&mut self) {}
        }
    }
}

#[derive(Trace)]
#[trace(crate = "fake")]
struct Untraced<'gc>(Gc<'gc, u64>);

fn main() {}

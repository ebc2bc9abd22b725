//! The derive inside of `macro_rules!`, with every kind of fragment.

#![forbid(unsafe_code)]
#![deny(warnings)]
#![allow(dead_code, reason = "the impls are what is tested")]

use gc_core::{Gc, Trace};

macro_rules! fragments {
    (
        #[$meta:meta] $vis:vis $name:ident $lifetime:lifetime $ty:ty, $path:path, $token:tt
        $literal:literal $length:expr, $block:block
    ) => {
        #[derive(Trace)]
        #[$meta]
        $vis struct $name<$lifetime, T = $ty, const N: usize = $block>
        where
            T: $path,
        {
            first: $ty,
            second: [$token; $length],
            #[trace(skip)]
            third: [$ty; $literal],
            fourth: Gc<$lifetime, $ty>,
            last: [T; N],
        }
    };
}
fragments!(
    #[doc = "what"] pub(crate) Node 'gc Option<(u8, String)>, std::clone::Clone, u64 3 1 + 1, { 4 }
);

macro_rules! choice {
    ($name:ident { $($variant:ident = $discriminant:expr),* } $(where $($clause:tt)*)?) => {
        #[derive(Trace)]
        #[repr(u8)]
        enum $name $(where $($clause)*)? { $($variant = $discriminant),* }
    };
}
choice!(Choice { One = 1, Two = 1 + 1 } where u8: Copy);

macro_rules! item {
    ($item:item) => {
        #[derive(Trace)]
        $item
    };
}
item! { enum Item<'gc> { One(Gc<'gc, u8>), Two { two: Box<Item<'gc>> } } }

macro_rules! body {
    ($name:ident $body:tt) => { #[derive(Trace)] struct $name<'gc> $body };
}
body!(Body { value: u64, gc: Gc<'gc, u64> });

macro_rules! nested {
    ($ty:ty) => {
        item! { struct Nested<'gc>($ty, Gc<'gc, $ty>); }
    };
}
nested!(Vec<u8>);

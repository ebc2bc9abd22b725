//! [`Trace`] for function pointers: leaves, whatever they take.
//!
//! A pointer type with arguments by reference is of every lifetime (`for<'a> fn(&'a str)`), and no
//! parameter stands for that. So the macro writes each argument of up to four by value, by `&` and
//! by `&mut`; and a result that is as long-lived as the first argument. Others go into a
//! [`Leaf`](crate::Leaf), those with a brand in their arguments too.

#![allow(
    coherence_leak_check,
    reason = "of one and of every lifetime: different types, of which the same is said"
)]

use super::std_impls::leaf;
use super::{Branded, Managed, Trace, Tracer};

/// `functions!([arguments to come] [generics] [arguments])`.
macro_rules! functions {
    ([$first:ident $($rest:ident)*] [$($generics:tt)*] [$($arg:ty),*]) => {
        functions!([$($rest)*] [$($generics)* $first: 'static,] [$($arg,)* $first]);
        functions!([$($rest)*] [$($generics)* $first: ?Sized + 'static,] [$($arg,)* &$first]);
        functions!([$($rest)*] [$($generics)* $first: ?Sized + 'static,] [$($arg,)* &mut $first]);
    };
    ([] [$($generics:tt)*] [$($arg:ty),*]) => {
        leaf!([$($generics)* R: 'static] fn($($arg),*) -> R);
    };
}

functions!([] [] []);
functions!([A] [] []);
functions!([A B] [] []);
functions!([A B C] [] []);
functions!([A B C D] [] []);

/// Those that lend what they were lent.
macro_rules! lending {
    ($([$($generics:tt)*] [$($arg:ty),*])*) => {
        $(lending!(@ [A: ?Sized + 'static, R: ?Sized + 'static, $($generics)*] [$($arg),*]);)*
    };
    (@ $generics:tt [$($arg:ty),*]) => {
        leaf! {
            $generics for<'a> fn(&'a A, $($arg),*) -> &'a R,
            $generics for<'a> fn(&'a mut A, $($arg),*) -> &'a R,
            $generics for<'a> fn(&'a mut A, $($arg),*) -> &'a mut R,
        }
    };
}

lending! {
    [] []
    [B: 'static] [B]
    [B: 'static, C: 'static] [B, C]
    [B: 'static, C: 'static, D: 'static] [B, C, D]
}

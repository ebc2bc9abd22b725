//! [`Trace`] for function pointers: leaves, whatever their arguments are.
//!
//! A pointer type with arguments by reference holds for every lifetime (`for<'a> fn(&'a str)`), and
//! no type parameter stands for that. So the macro writes each of up to four arguments by value, by
//! `&` and by `&mut`. It also writes a result that lives as long as the first argument. Other types
//! go into a [`Leaf`](crate::Leaf), for example those with a brand in their arguments.

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

/// Functions that return a borrow of their first argument.
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

//! `#[derive(Trace)]` for `gc-core`, which re-exports it. Use it from there.
//!
//! A derive runs in this order:
//! 1. `ast` reads the item into our own model; `attr` reads `#[trace(...)]` on the way.
//! 2. `valid` refuses what cannot be traced; every error message of the derive is in that file.
//! 3. `expand` writes the impls.
//! 4. If anything was refused, `fallback` writes impls that only keep the compiler from complaining a
//!    second time about the same type.

#![forbid(unsafe_code)]

mod ast;
mod attr;
mod expand;
mod fallback;
mod hint;
mod valid;

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

/// Tells the collector which `Gc`s a type holds.
///
/// Works on structs and enums with at most one lifetime parameter, the brand (`'gc`, whatever its name).
/// It writes:
///
/// - `Trace`: every field is traced. Its type has to be `Trace`, too.
/// - `Managed` and `Branded`, which name the type in a `Root`: `Node<'static>` for `Node<'gc>`.
/// - A ban on `Drop`, if the type has a lifetime or a type parameter and so could hold a `Gc`: when the
///   collector drops an object, what its pointers point to may be gone already.
///
/// # Leaves
///
/// A `'static` type is a leaf: no `Gc` that a user can reach is `'static`. So a type without parameters is
/// never scanned, and it may have a `Drop`.
///
/// # Attributes
///
/// - `#[trace(skip)]` on a field: it is not traced, and its type need not be `Trace`. It has to be `'static`.
/// - `#[trace(bound = "...")]` on the type: the `where` clause of the `Trace` impl in place of `V: Trace<'gc>`
///   for every type parameter `V`. It may be empty. The brand of a type without a lifetime is `'gc` there.
///
/// # Limits
///
/// Generic types without a lifetime that contain each other by value (`A<T>` a `Vec<B<T>>`, `B<T>` a
/// `Box<A<T>>`) ask for each other's `NEEDS_TRACE` in a circle, which the compiler reports. A lifetime
/// parameter or a `Gc` between them breaks the circle.
#[proc_macro_derive(Trace, attributes(trace))]
pub fn derive_trace(input: TokenStream) -> TokenStream {
    let node = parse_macro_input!(input as DeriveInput);
    let input = ast::Input::read(&node).and_then(|input| valid::check(&input).map(|()| input));
    match input.and_then(|input| hint::check(&node).map(|()| input)) {
        Ok(input) => expand::expand(&input).into(),
        Err(error) => fallback::expand(&node, &error).into(),
    }
}

//! `#[derive(Trace)]` for `gc-core`, which re-exports it. Use it from there.
//!
//! A derive runs in this order:
//! 1. `ast` reads the item into our own model; `attr` reads `#[trace(...)]` on the way.
//! 2. `valid` refuses types that cannot be traced, and `hint` types that cannot compile. Their
//!    files have the error messages.
//! 3. `expand` and `families` write the impls.
//! 4. If a type was refused, `fallback` writes impls that keep the compiler from reporting the same
//!    type again.

#![forbid(unsafe_code)]

mod ast;
mod attr;
mod errors;
mod expand;
mod fallback;
mod families;
mod hint;
mod parts;
mod valid;

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

/// Reports to the collector which `Gc`s a type holds.
///
/// Works on structs and enums with at most one lifetime parameter, the brand (`'gc`, whatever its
/// name). It writes:
///
/// - `Trace`: every field is traced. Its type has to be `Trace`, too.
/// - `Managed` and `Branded`, which name the type in a `Root`: `Node<'static>` for `Node<'gc>`. A
///   type whose last field is an unsized parameter has them where that parameter is sized.
/// - A ban on `Drop`, if the type has a lifetime or a type parameter and so could hold a `Gc`. When
///   the collector drops an object, the targets of its pointers may be gone already.
///
/// # Leaves
///
/// A `'static` type is a leaf: no `Gc` that a user can reach is `'static`. So a type without
/// parameters is never scanned, and it may have a `Drop`.
///
/// # Attributes
///
/// - `#[trace(skip)]` on a field: it is not traced, and its type need not be `Trace`. It has to be
///   `'static`.
/// - `#[trace(bound = "...")]` on the type: the `where` clause of the `Trace` impl. It replaces `V:
///   Trace<'gc>` for every type parameter `V`, and may be empty. The brand of a type without a
///   lifetime is `'gc` there.
/// - `#[trace(crate = "path::to::gc_core")]` on the type: the path of this crate, if the deriving
///   crate does not know it as `gc_core`. A dependency that is renamed (`gc = { package =
///   "gc-core", .. }`) needs `#[trace(crate = "gc")]`. One that another crate re-exports needs
///   `#[trace(crate = "other::gc_core")]`. Without it the compiler reports that it cannot find
///   `gc_core`. Inside `macro_rules!` the path may be `$crate::...`, without quotes.
///
/// # What is checked, and what remains a promise
///
/// Safe code has nothing to promise. The compiler checks each field's *value*. Another attribute
/// below the derive may change a field, a variant or the whole item. Then the code does not
/// compile, unless the impls fit the changed item. The checks are functions of the real `Tracer`,
/// which the signature of the real `Trace::trace` forces. So they hold in a crate that gives the
/// name `gc_core` to a module of its own, and with a dependency of that name. There the derive
/// implements the real trait, with its checks, or another trait, which the collector does not know.
///
/// A `Trace` written by hand is a promise, as its `unsafe` shows; so is one that another macro
/// writes.
///
/// # Limits
///
/// - Generic types without a lifetime that contain each other by value ask for each other's
///   `NEEDS_TRACE` in a circle. An example is `A<T>` with a `Vec<B<T>>` and `B<T>` with a
///   `Box<A<T>>`. The compiler reports it. A lifetime parameter or a `Gc` between them breaks the
///   circle. A generic type that hides its own name in a type macro asks for its own constant in
///   the same way.
/// - In bounds and in the `where` clause, write `<V as Trait>::Item` for a parameter's `V::Item`.
///   Do not use a type macro with a parameter among its arguments. The families need the condition
///   for other arguments, too.
/// - A constant or a static called `__gc_tracer`, or `__gc_field` with a number, does not compile
///   beside the derive.
#[proc_macro_derive(Trace, attributes(trace))]
pub fn derive_trace(input: TokenStream) -> TokenStream {
    let node = parse_macro_input!(input as DeriveInput);
    let input = ast::Input::read(&node).and_then(|input| valid::check(&input).map(|()| input));
    match input.and_then(|input| hint::check(&node).map(|()| input)) {
        Ok(input) => expand::expand(&input).into(),
        Err(error) => fallback::expand(&node, &error).into(),
    }
}

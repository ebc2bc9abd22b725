//! A type that can hold a `Gc` has no `Drop` of its own, by whatever route it comes.

#![forbid(unsafe_code)]

use gc_core::{Gc, Trace};

#[derive(Trace)]
enum ByAlias<'gc> {
    One(Gc<'gc, u64>),
}
type Alias<'gc> = ByAlias<'gc>;
impl Drop for Alias<'_> {
    fn drop(&mut self) {}
}

#[derive(Trace)]
struct ByMacro<T>(T);
macro_rules! drops {
    ($($item:tt)*) => { impl $($item)* { fn drop(&mut self) {} } };
}
drops!(<T> Drop for ByMacro<T>);

#[derive(Trace)]
struct InABlock<'gc, T: ?Sized>(Gc<'gc, T>);
const _: () = {
    impl<T: ?Sized> Drop for InABlock<'_, T> {
        fn drop(&mut self) {}
    }
};

fn main() {}

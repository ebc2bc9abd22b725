//! A type parameter could be a `Gc`.
use gc_core::Trace;

#[derive(Trace)]
struct Wrapper<T> {
    #[trace(skip)]
    value: T,
}

fn main() {}

use gc_core::{Gc, Heap, Trace};

#[derive(Trace)]
struct Unknown {
    #[trace(ignore)]
    field: u64,
}

#[derive(Trace)]
#[trace(crate = "two paths")]
struct UnknownOnType;

#[derive(Trace)]
struct SkipTwice {
    #[trace(skip, skip)]
    field: u64,
}

#[derive(Trace)]
struct SkipValue {
    #[trace(skip = true)]
    field: u64,
}

#[derive(Trace)]
#[trace(skip)]
struct SkipOnType;

#[derive(Trace)]
enum OnVariant {
    #[trace(skip)]
    One,
}

#[derive(Trace)]
struct BoundOnField<T> {
    #[trace(bound = "T: Clone")]
    field: T,
}

#[derive(Trace)]
#[trace(bound = "T: Send", bound = "T: Sync")]
struct BoundTwice<T>(T);

#[derive(Trace)]
#[trace(bound)]
struct BoundWithoutValue<T>(T);

#[derive(Trace)]
#[trace(bound = "T + Send")]
struct BoundSyntax<T>(T);

#[derive(Trace)]
#[trace]
struct NoList;

#[derive(Trace)]
#[trace()]
struct EmptyList;

#[derive(Trace)]
#[trace(bound = "T::Item: Send")]
struct ShortProjection<T: Iterator>(T);

#[derive(Trace)]
#[repr(C, packed(2))]
struct Packed(u64);

fn main() {
    // The derive still writes impls, so that nothing is said of this line.
    Heap::new().mutate(|mc| drop(Gc::root(Gc::new(mc, SkipOnType), mc)));
}

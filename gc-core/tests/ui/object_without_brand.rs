//! `dyn Shape<'gc>` behind a `Gc` means `dyn Shape<'gc> + 'static`: write `+ 'gc`.
use gc_core::{Gc, Heap, Mutation, Trace, unsize};

trait Shape<'gc>: Send + Sync {}

#[derive(Trace)]
struct Link<'gc>(Gc<'gc, u64>);
impl<'gc> Shape<'gc> for Link<'gc> {}

#[derive(Trace)]
struct Scene<'gc> {
    shape: Gc<'gc, dyn Shape<'gc>>,
}

fn scene<'gc>(mc: &Mutation<'gc>, link: Link<'gc>) -> Gc<'gc, Scene<'gc>> {
    Gc::new(mc, Scene { shape: unsize!(Gc::new(mc, link) => dyn Shape<'gc>) })
}

fn main() {
    Heap::new().mutate(|mc| _ = scene(mc, Link(Gc::new(mc, 1))));
}

//! The derive refuses a `Mutex` of std around pointers by its name. These have such names, and
//! hold or guard no pointers.

use gc_core::{Gc, Heap, Root, Trace, Tracer};
use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex as Lock};

/// A type of the user's own, which never changes.
struct Mutex<T>(T);

// SAFETY: what is inside is reported, and no code can change it.
unsafe impl<'gc, T: Trace<'gc>> Trace<'gc> for Mutex<T> {
    fn trace(&self, tracer: &mut Tracer<'gc>) {
        tracer.edges(&self.0);
    }
}
// SAFETY: the brand changes in the content alone.
unsafe impl<T: gc_core::Managed> gc_core::Managed for Mutex<T> {
    type At<'gc> = Mutex<T::At<'gc>>;
}
// SAFETY: as above.
unsafe impl<'gc, T: gc_core::Branded<'gc>> gc_core::Branded<'gc> for Mutex<T> {
    type Static = Mutex<T::Static>;
}

#[derive(Trace)]
#[allow(clippy::type_complexity, reason = "the derive must look through it")]
struct Node<'gc> {
    own: crate::own_names::Mutex<Gc<'gc, u64>>,
    marker: PhantomData<fn(Cell<&'gc ()>) -> Cell<&'gc ()>>,
    shared: Arc<Lock<Vec<Root<Gc<'static, u64>>>>>,
}

#[test]
fn types_of_ones_own_may_have_names_of_std() {
    Heap::new().mutate(|mc| {
        let own = Mutex(Gc::new(mc, 7));
        let node = Node { own, marker: PhantomData, shared: Arc::default() };
        let node = Gc::new(mc, node);
        let gc = Gc::new(mc, node.own.0);
        node.shared.lock().unwrap().push(Gc::root(gc, mc));
    });
}

//! A cell that was made at `'static` takes no pointer of a `mutate`.
use gc_core::{Gc, GcCell, GcRefCell, Heap, Leaf};

fn main() {
    let word = Leaf(GcCell::<'static, u64>::new(None));
    let list = Leaf(GcRefCell::new(Vec::<Gc<'static, u64>>::new()));
    Heap::new().mutate(|mc| {
        let gc = Gc::new(mc, 1u64);
        word.set(mc, Some(gc));
    });
    Heap::new().mutate(|mc| {
        let gc = Gc::new(mc, 1u64);
        list.borrow_mut(mc).push(gc);
    });
}

//! A boxed closure.
//!
//! Fix: If it captures no `Gc`, write `#[trace(skip)]` on the field, or `Leaf<Box<dyn Fn() +
//! Send + Sync>>`. Pointers that it needs become fields of a struct with a method.
use gc_core::{Gc, Trace};

#[derive(Trace)]
struct Button<'gc> {
    label: Gc<'gc, str>,
    on_click: Box<dyn Fn() + Send + Sync>,
}

fn main() {}

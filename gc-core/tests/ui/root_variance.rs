//! A root is of one family: its type changes neither to a shorter lifetime nor to a longer one.
use gc_core::{GcCell, Root, Trace};

#[derive(Trace)]
struct Node<'gc> {
    next: GcCell<'gc, Node<'gc>>,
}

fn shorter<'a>(root: Root<&'static str>) -> Root<&'a str> {
    root
}

fn branded<'a>(root: Root<Node<'static>>) -> Root<Node<'a>> {
    root
}

fn object<'a>(root: &Root<dyn Fn(&'static str)>) -> &Root<dyn Fn(&'a str)> {
    root
}

fn higher(root: Root<fn(&'static str)>) -> Root<for<'a> fn(&'a str)> {
    root
}

fn main() {}

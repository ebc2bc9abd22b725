//! What only reads may shorten the lives in its content.
use gc_core::*;

fn gc<'gc, 'a, 'b: 'a>(value: Gc<'gc, &'b str>) -> Gc<'gc, &'a str> {
    value
}
fn guard<'c, 'a, 'b: 'a>(value: GcRef<'c, &'b str>) -> GcRef<'c, &'a str> {
    value
}
fn by_address<'gc, 'a, 'b: 'a>(value: ByAddress<'gc, &'b str>) -> ByAddress<'gc, &'a str> {
    value
}
fn weak<'gc, 'a, 'b: 'a>(value: GcWeak<'gc, &'b str>) -> GcWeak<'gc, &'a str> {
    value
}
type Pair<'gc, T> = Ephemeron<'gc, T, T>;
fn ephemeron<'gc, 'a, 'b: 'a>(value: Pair<'gc, &'b str>) -> Pair<'gc, &'a str> {
    value
}
fn leaf(value: Leaf<for<'a> fn(&'a str)>) -> Leaf<fn(&'static str)> {
    value
}

#[test]
fn what_only_reads_shortens_the_lives_in_its_content() {
    leaf(Leaf(|_| ()));
    let _ = (gc, guard, by_address, weak, ephemeron);
}

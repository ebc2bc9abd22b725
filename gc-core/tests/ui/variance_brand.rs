//! Nothing with a brand can be used under another one: neither a shorter nor a longer life.
use gc_core::*;

fn gc<'a, 'b: 'a>(value: Gc<'b, u8>) -> Gc<'a, u8> {
    value
}
fn cell<'c, 'a, 'b: 'a>(value: &'c GcCell<'b, u8>) -> &'c GcCell<'a, u8> {
    value
}
fn weak<'a, 'b: 'a>(value: GcWeak<'b, u8>) -> GcWeak<'a, u8> {
    value
}
fn ephemeron<'a, 'b: 'a>(value: Ephemeron<'b, u8, u8>) -> Ephemeron<'a, u8, u8> {
    value
}
fn weak_map<'a, 'b: 'a>(value: GcWeakMap<'b, u8, u8>) -> GcWeakMap<'a, u8, u8> {
    value
}
fn by_address<'a, 'b: 'a>(value: ByAddress<'b, u8>) -> ByAddress<'a, u8> {
    value
}
fn context<'c, 'a, 'b: 'a>(value: &'c Mutation<'b>) -> &'c Mutation<'a> {
    value
}
fn guard<'c, 'a, 'b: 'a>(value: GcRefMut<'c, 'b, u8>) -> GcRefMut<'c, 'a, u8> {
    value
}
fn mapped<'c, 'a, 'b: 'a>(value: GcMappedRefMut<'c, 'b, u8>) -> GcMappedRefMut<'c, 'a, u8> {
    value
}
fn in_a_cell<'c, 'a, 'b: 'a>(value: &'c GcRefCell<Gc<'b, u8>>) -> &'c GcRefCell<Gc<'a, u8>> {
    value
}
fn in_a_shared_guard<'c, 'a, 'b: 'a>(value: GcRef<'c, Gc<'b, u8>>) -> GcRef<'c, Gc<'a, u8>> {
    value
}

fn main() {}

//! What is stored as one type is not loaded as another: cells and exclusive guards are invariant in
//! their content.
use gc_core::*;

fn once<'c, 'a, 'b: 'a>(value: &'c GcOnceCell<&'b str>) -> &'c GcOnceCell<&'a str> {
    value
}
fn ref_cell<'c, 'a, 'b: 'a>(value: &'c GcRefCell<&'b str>) -> &'c GcRefCell<&'a str> {
    value
}
fn mutex<'c, 'a, 'b: 'a>(value: &'c GcMutex<&'b str>) -> &'c GcMutex<&'a str> {
    value
}
fn lock<'c, 'a, 'b: 'a>(value: &'c GcRwLock<&'b str>) -> &'c GcRwLock<&'a str> {
    value
}
fn mapped<'c, 'g, 'a, 'b: 'a>(
    value: GcMappedRefMut<'c, 'g, &'b str>,
) -> GcMappedRefMut<'c, 'g, &'a str> {
    value
}
fn map_key<'c, 'g, 'a, 'b: 'a>(
    value: &'c GcWeakMap<'g, &'b str, u8>,
) -> &'c GcWeakMap<'g, &'a str, u8> {
    value
}
fn map_value<'c, 'g, 'a, 'b: 'a>(
    value: &'c GcWeakMap<'g, u8, &'b str>,
) -> &'c GcWeakMap<'g, u8, &'a str> {
    value
}
fn behind_a_pointer<'g, 'a, 'b: 'a>(
    value: Gc<'g, GcRefCell<&'b str>>,
) -> Gc<'g, GcRefCell<&'a str>> {
    value
}
fn behind_a_weak_pointer<'g, 'a, 'b: 'a>(
    value: GcWeak<'g, GcMutex<&'b str>>,
) -> GcWeak<'g, GcMutex<&'a str>> {
    value
}

fn main() {}

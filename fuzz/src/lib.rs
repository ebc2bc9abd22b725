//! Heaps driven through byte strings, against an oracle. The interpreter and the oracle are the
//! oracle test's (`gc-core/tests/oracle`), which also replays the corpus on the stable toolchain.

#[path = "../../gc-core/tests/oracle/world/mod.rs"]
mod world;

/// Plays one byte string on a heap of its own; panics, or aborts, if the heap is not as the oracle
/// has it.
pub fn play(bytes: &[u8]) {
    world::script::play(bytes);
}

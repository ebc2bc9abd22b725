//! Weak references: what the collector decides between the end of marking and the sweep.
//!
//! | file | subject |
//! |---|---|
//! | `gate` | weak boxes, the gate of upgrades, and the pass that flags the dead (rules 8 and 9) |
//! | `ephemeron` | values that live as long as their keys do |
//! | `waiting` | which values wait for which addresses |
//! | `follow` | from the keys of ephemerons to their values, over the marking loop |
//!
//! They stand on `mark` and `sweep`; neither knows them.
//!
//! Files, lowest first: `gate`, `ephemeron`, `waiting`, `follow`.

pub mod ephemeron;
#[cfg(not(loom))]
pub(crate) mod follow;
pub mod gate;
mod waiting;

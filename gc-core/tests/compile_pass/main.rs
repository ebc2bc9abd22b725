//! Programs that must compile, and run: what the refusals of `compile_fail` and `mistakes` must not
//! refuse with them.

#![cfg(not(any(loom, miri, shuttle)))]

mod derive_fragments;
mod fixes;
mod own_names;
mod scoped_reader;
mod variance_shared;

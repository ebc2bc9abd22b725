//! What the heap asks of the operating system, a file for each subject. No other file names a
//! system call.
//!
//! | file | subject |
//! |---|---|
//! | `memory` | address space, opened and given back |
//! | `barrier` | a fence on every other thread of the process |
//! | `process` | whether this is still the process in which a heap was made |
//! | `thread` | signals of the collector's threads, their processor time, their cores |
//!
//! Each file has one part for each system, and documents what a system without the mechanism gets.
//! `docs/PLATFORMS.md` has the table. The files do not know each other, except that all may use the
//! bindings in `windows`.

#[cfg(not(loom))]
pub(crate) mod barrier;
pub(crate) mod memory;
#[cfg(not(loom))]
pub(crate) mod process;
#[cfg(not(loom))]
pub(crate) mod thread;
#[cfg(windows)]
mod windows;

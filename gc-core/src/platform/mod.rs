//! What the heap asks of the operating system, a file for each subject. No other file names a
//! system call.
//!
//! | file | subject |
//! |---|---|
//! | `memory` | address space, opened and given back |
//! | `barrier` | a fence on every other thread of the process |
//! | `cgroup` | the memory that the process's cgroup allows |
//! | `process` | whether this is still the process in which a heap was made |
//! | `thread` | signals of the collector's threads, their processor time, their cores |
//! | `stack` | the calling thread's stack and the unwind tables, for the heap profile |
//!
//! Each file has one part for each system, and documents what a system without the mechanism gets.
//! `docs/PLATFORMS.md` has the table. The files do not know each other, except that all may use the
//! bindings in `windows`.
//!
//! Files, lowest first: `windows`, `memory`, `barrier`, `cgroup`, `process`, `thread`, `stack`.

#[cfg(not(loom))]
pub(crate) mod barrier;
pub(crate) mod cgroup;
pub(crate) mod memory;
#[cfg(not(loom))]
pub(crate) mod process;
// Not under a checker of memory: a walk reads words of other frames.
#[cfg(all(
    feature = "profile",
    target_os = "linux",
    target_arch = "x86_64",
    not(any(loom, shuttle, miri, gc_asan, gc_tsan))
))]
pub(crate) mod stack;
#[cfg(not(loom))]
pub(crate) mod thread;
#[cfg(windows)]
mod windows;

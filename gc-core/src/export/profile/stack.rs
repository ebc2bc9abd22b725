#![forbid(unsafe_code)]
//! Walking the calling thread's stack.
//!
//! 1. On Linux and x86-64 by framehop, which follows the unwind tables and remembers the rule of
//!    each address. Frame pointers would be faster, but most programs have none.
//! 2. Elsewhere, and on a stack that is not the system's, by the crate backtrace: the unwinder of
//!    panics, which is slower.
//!
//! The tables of 1 are read anew once a library has been loaded or unloaded.

/// The most frames of a stack, from the innermost.
pub(super) const DEPTH: usize = 64;

/// Words that tell sites of one stack apart.
pub(super) const KEY: usize = 3;

/// Return addresses, from the innermost frame.
#[derive(Debug)]
pub(super) struct CallStack {
    len: usize,
    /// The frames, and room for the rest of a key.
    frames: [usize; DEPTH + KEY],
}

impl CallStack {
    pub(super) fn new() -> CallStack {
        CallStack { len: 0, frames: [0; DEPTH + KEY] }
    }
    /// The frames with `what` behind them.
    pub(super) fn key(&mut self, what: [usize; KEY]) -> &[usize] {
        self.frames[self.len..self.len + KEY].copy_from_slice(&what);
        &self.frames[..self.len + KEY]
    }
    /// Adds a frame. Returns whether there is room for another.
    fn push(&mut self, address: usize) -> bool {
        if self.len < DEPTH {
            self.frames[self.len] = address;
            self.len += 1;
        }
        self.len < DEPTH
    }
    /// The slower way.
    fn walk_by_backtrace(&mut self) {
        self.len = 0;
        backtrace::trace(|frame| self.push(frame.ip() as usize));
    }
}

#[cfg(not(all(
    target_os = "linux",
    target_arch = "x86_64",
    not(any(shuttle, miri, gc_asan, gc_tsan))
)))]
mod imp {
    use super::CallStack;

    /// What a walk needs.
    #[derive(Debug)]
    pub(in super::super) struct Walker;

    impl Walker {
        pub(in super::super) fn new() -> Walker {
            Walker
        }
        /// Walks the calling thread's stack.
        pub(in super::super) fn walk(&self, stack: &mut CallStack) {
            stack.walk_by_backtrace();
        }
    }
}

#[cfg(all(target_os = "linux", target_arch = "x86_64", not(any(shuttle, miri, gc_asan, gc_tsan))))]
mod imp {
    use super::CallStack;
    use crate::platform::stack::{self, Section};
    use crate::sync::{Mutex, thread_local};
    use framehop::x86_64::{CacheX86_64, UnwindRegsX86_64, UnwinderX86_64};
    use framehop::{ExplicitModuleSectionInfo, Module, Unwinder};
    use std::borrow::Cow;
    use std::cell::RefCell;
    use std::fmt;
    use std::sync::Arc;

    type Bytes = Cow<'static, [u8]>;

    thread_local! {
        /// The rules of addresses that the thread has walked through.
        static RULES: RefCell<CacheX86_64> = RefCell::new(CacheX86_64::new());
    }

    /// The unwind tables of the modules that are loaded.
    pub(in super::super) struct Walker(Mutex<Arc<UnwindTables>>);

    struct UnwindTables {
        /// What [`stack::loads`] said before these were read.
        loads: u64,
        unwinder: UnwinderX86_64<Bytes>,
    }

    impl fmt::Debug for Walker {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("Walker")
        }
    }

    impl UnwindTables {
        /// Those of the modules that are loaded now.
        fn read() -> UnwindTables {
            let loads = stack::loads();
            let mut unwinder = UnwinderX86_64::new();
            for module in stack::modules() {
                let end = |section: &Section| section.at + section.bytes.len() as u64;
                let in_file =
                    |section: &Section| Some(section.at - module.base..end(section) - module.base);
                let sections = ExplicitModuleSectionInfo {
                    eh_frame_svma: in_file(&module.eh_frame),
                    eh_frame_hdr_svma: in_file(&module.eh_frame_hdr),
                    eh_frame: Some(module.eh_frame.bytes),
                    eh_frame_hdr: Some(module.eh_frame_hdr.bytes),
                    ..ExplicitModuleSectionInfo::default()
                };
                let (range, base) = (module.range, module.base);
                unwinder.add_module(Module::new(String::new(), range, base, sections));
            }
            UnwindTables { loads, unwinder }
        }
    }

    impl Walker {
        pub(in super::super) fn new() -> Walker {
            Walker(Mutex::new(Arc::new(UnwindTables::read())))
        }

        /// The tables, read anew if modules have come or gone. No lock is held meanwhile, nor in a
        /// walk: the loader has one, and a library that is just being loaded may allocate.
        fn tables(&self) -> Arc<UnwindTables> {
            let known = self.0.lock().clone();
            if known.loads == stack::loads() {
                return known;
            }
            let tables = Arc::new(UnwindTables::read());
            *self.0.lock() = tables.clone();
            tables
        }

        /// Walks the calling thread's stack.
        pub(in super::super) fn walk(&self, stack: &mut CallStack) {
            let tables = self.tables();
            // Not where a signal handler allocates while the thread walks.
            let walked = RULES.try_with(|rules| {
                let Ok(mut rules) = rules.try_borrow_mut() else { return false };
                let walked = stack::look(|from, mut read| {
                    let regs = UnwindRegsX86_64::new(from.ip, from.sp, from.bp);
                    let mut frames =
                        tables.unwinder.iter_frames(from.ip, regs, &mut rules, &mut read);
                    while let Ok(Some(frame)) = frames.next() {
                        if !stack.push(frame.address() as usize) {
                            break;
                        }
                    }
                });
                walked.is_some()
            });
            if !walked.unwrap_or(false) || stack.len < 3 {
                stack.walk_by_backtrace();
            }
        }
    }
}

pub(super) use imp::Walker;

#[cfg(test)]
mod tests {
    use super::*;

    #[inline(never)]
    fn innermost(walker: &Walker, by_backtrace: bool) -> Vec<String> {
        let mut stack = CallStack::new();
        if by_backtrace {
            stack.walk_by_backtrace()
        } else {
            walker.walk(&mut stack)
        }
        let mut names = Vec::new();
        for address in &stack.frames[..stack.len] {
            backtrace::resolve(*address as *mut _, |symbol| {
                names.extend(symbol.name().map(|name| format!("{name:#}")));
            });
        }
        std::hint::black_box(names)
    }

    #[inline(never)]
    fn middle(walker: &Walker, by_backtrace: bool) -> Vec<String> {
        std::hint::black_box(innermost(walker, by_backtrace))
    }

    #[test]
    fn both_ways_see_the_same_frames() {
        let walker = Walker::new();
        let [fast, slow] = [false, true].map(|by_backtrace| middle(&walker, by_backtrace));
        let from_here = |names: &[String]| {
            let from = names.iter().position(|name| name.ends_with("tests::innermost"));
            names[from.expect("the function that walks is there")..].to_vec()
        };
        assert_eq!(from_here(&fast), from_here(&slow));
        assert!(fast.iter().any(|name| name.ends_with("tests::middle")), "{fast:?}");
        assert!(fast.len() > 8, "up to the thread's start: {fast:?}");
    }
}

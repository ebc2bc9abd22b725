#![forbid(unsafe_code)]
//! loom's primitives under the interface of the real ones.

pub(crate) use loom::sync::Arc;
pub(crate) use loom::sync::atomic::{
    AtomicBool, AtomicPtr, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering,
};

/// loom's mutex under the interface of the real one.
#[derive(Debug)]
pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);
impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Mutex(loom::sync::Mutex::new(value))
    }
    pub(crate) fn lock(&self) -> loom::sync::MutexGuard<'_, T> {
        self.0.lock().expect("no model panics with a lock held")
    }
}
/// loom's reader-writer lock under the interface of the real one.
#[derive(Debug)]
pub(crate) struct RwLock<T>(loom::sync::RwLock<T>);
impl<T> RwLock<T> {
    pub(crate) fn new(value: T) -> Self {
        RwLock(loom::sync::RwLock::new(value))
    }
    pub(crate) fn read(&self) -> loom::sync::RwLockReadGuard<'_, T> {
        self.0.read().expect("no model panics with a lock held")
    }
    pub(crate) fn write(&self) -> loom::sync::RwLockWriteGuard<'_, T> {
        self.0.write().expect("no model panics with a lock held")
    }
}
pub(crate) fn spin_hint() {
    loom::thread::yield_now();
}
pub(crate) fn yield_now() {
    loom::thread::yield_now();
}

loom::thread_local! {
    /// The hook that a model's thread runs at a compiler fence.
    static HOOK: std::cell::RefCell<Option<Box<dyn Fn()>>> = std::cell::RefCell::new(None);
}
/// Makes the calling thread of a model call `hook` at each compiler fence, where it may be
/// interrupted.
pub fn on_compiler_fence(hook: impl Fn() + 'static) {
    HOOK.with(|own| *own.borrow_mut() = Some(Box::new(hook)));
}
pub(crate) fn compiler_fence() {
    HOOK.with(|hook| {
        if let Some(hook) = &*hook.borrow() {
            hook();
        }
    });
}

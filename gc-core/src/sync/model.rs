#![forbid(unsafe_code)]
//! loom's primitives, with the faces of the real ones.

pub(crate) use loom::sync::Arc;
pub(crate) use loom::sync::atomic::{
    AtomicBool, AtomicPtr, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering,
};

/// loom's mutex with the real one's face.
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
/// loom's reader-writer lock with the real one's face.
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
    /// What a thread of a model does where only the compiler is kept from moving accesses.
    static HOOK: std::cell::RefCell<Option<Box<dyn Fn()>>> = std::cell::RefCell::new(None);
}
/// Makes the calling thread of a model call `hook` at each compiler fence: it may be interrupted
/// there.
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

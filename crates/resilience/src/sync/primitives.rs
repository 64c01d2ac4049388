//! Locks and atomics: those of the standard library, or loom's, which explore every interleaving.

#[cfg(not(loom))]
pub(super) use std::{
    sync::atomic::{AtomicU64, Ordering},
    sync::{Mutex, MutexGuard, PoisonError},
};

#[cfg(loom)]
pub(super) use loom::{
    sync::atomic::{AtomicU64, Ordering},
    sync::{Mutex, MutexGuard},
};
#[cfg(loom)]
use std::sync::PoisonError;

/// Takes the lock. Decisions do not panic, so the state is intact even if a thread panicked while it held the
/// lock.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A small number of this thread's own, used to choose its lane.
#[cfg(not(loom))]
#[inline]
pub(super) fn thread_number() -> usize {
    use std::cell::Cell;
    use std::sync::atomic::AtomicUsize;

    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static NUMBER: Cell<usize> = const { Cell::new(usize::MAX) };
    }
    NUMBER.with(|number| match number.get() {
        usize::MAX => {
            number.set(NEXT.fetch_add(1, Ordering::Relaxed));
            number.get()
        }
        known => known,
    })
}

/// The same under loom, where each execution starts from scratch.
#[cfg(loom)]
pub(super) fn thread_number() -> usize {
    use loom::sync::atomic::AtomicUsize;

    loom::lazy_static! {
        static ref NEXT: AtomicUsize = AtomicUsize::new(0);
    }
    loom::thread_local! {
        static NUMBER: usize = NEXT.fetch_add(1, Ordering::Relaxed);
    }
    NUMBER.with(|number| *number)
}

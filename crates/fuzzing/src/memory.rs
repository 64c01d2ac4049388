//! How much memory a piece of work takes at its peak.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    static NOW: Cell<usize> = const { Cell::new(0) };
    static PEAK: Cell<usize> = const { Cell::new(0) };
}

/// What work on some bytes may take: so much for each of them, and so much in any case.
#[derive(Clone, Copy, Debug)]
pub struct Bound {
    pub each: usize,
    pub fixed: usize,
}

impl Bound {
    #[must_use]
    pub const fn of(self, bytes: usize) -> usize {
        self.each.saturating_mul(bytes).saturating_add(self.fixed)
    }
}

/// The allocator of the system, which counts what each thread has allocated.
#[derive(Clone, Copy, Debug)]
pub struct Counting;

fn add(bytes: usize) {
    // A thread that is ending has no counters.
    let _ = NOW.try_with(|now| {
        now.set(now.get().saturating_add(bytes));
        let _ = PEAK.try_with(|peak| peak.set(peak.get().max(now.get())));
    });
}

fn take(bytes: usize) {
    let _ = NOW.try_with(|now| now.set(now.get().saturating_sub(bytes)));
}

#[allow(unsafe_code, reason = "an allocator is unsafe; this one passes everything on to the system's")]
// SAFETY: each method passes its arguments on, and counting neither allocates nor unwinds.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        add(layout.size());
        // SAFETY: as promised by the caller.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        add(layout.size());
        // SAFETY: as promised by the caller.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, old: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        add(size);
        take(layout.size());
        // SAFETY: as promised by the caller.
        unsafe { System.realloc(old, layout, size) }
    }

    unsafe fn dealloc(&self, old: *mut u8, layout: Layout) {
        take(layout.size());
        // SAFETY: as promised by the caller.
        unsafe { System.dealloc(old, layout) }
    }
}

/// The most bytes that `work` has held at once, besides what was there before; 0 if [`Counting`] is not the allocator.
pub fn peak_of(work: impl FnOnce()) -> usize {
    let before = NOW.get();
    PEAK.set(before);
    work();
    PEAK.get() - before
}

//! How many subjects there are, and how many there may be.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::counted::Counted;

/// Addresses may take up one in so many places: a flood of them leaves room for everybody else.
const ADDRESSES_PART: usize = 2;

/// How many subjects there are, and how many there may be.
#[derive(Debug)]
pub(super) struct Subjects {
    all: Places,
    addresses: Places,
}

#[derive(Debug)]
struct Places {
    taken: AtomicUsize,
    max: usize,
}

impl Subjects {
    pub(super) fn new(max: usize) -> Self {
        Self {
            all: Places::new(max),
            addresses: Places::new(max / ADDRESSES_PART),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.all.taken.load(Ordering::Relaxed)
    }

    /// Makes room for one more; whether there was any.
    pub(super) fn add(&self, counted: &Counted<'_>) -> bool {
        let is_of_address = counted.is_of_address();
        if is_of_address && !self.addresses.take() {
            return false;
        }
        let has_room = self.all.take();
        if is_of_address && !has_room {
            self.addresses.give_back();
        }
        has_room
    }

    pub(super) fn remove(&self, counted: &Counted<'_>) {
        if counted.is_of_address() {
            self.addresses.give_back();
        }
        self.all.give_back();
    }
}

impl Places {
    fn new(max: usize) -> Self {
        Self {
            taken: AtomicUsize::new(0),
            max,
        }
    }

    fn take(&self) -> bool {
        let next = |taken: usize| (taken < self.max).then_some(taken + 1);
        self.taken
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, next)
            .is_ok()
    }

    fn give_back(&self) {
        self.taken.fetch_sub(1, Ordering::Relaxed);
    }
}

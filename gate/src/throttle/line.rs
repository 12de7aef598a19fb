//! Those who wait for room, in the order in which they came.

use std::collections::VecDeque;

/// The most requests of one priority that wait at once.
const WAITING_MAX: usize = 1_000;

/// A place in a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(u64);

/// Those who wait.
#[derive(Debug)]
pub(super) struct Line<W> {
    waiting: VecDeque<(Ticket, W)>,
    next: u64,
}

impl<W> Default for Line<W> {
    fn default() -> Self {
        Self {
            waiting: VecDeque::new(),
            next: 0,
        }
    }
}

impl<W> Line<W> {
    /// Puts one more at the end; `None` where the line is as long as it may be.
    pub(super) fn push(&mut self, waiter: impl FnOnce() -> W) -> Option<Ticket> {
        if self.waiting.len() >= WAITING_MAX {
            return None;
        }
        let ticket = Ticket(self.next);
        self.next += 1;
        self.waiting.push_back((ticket, waiter()));
        Some(ticket)
    }

    pub(super) fn pop(&mut self) -> Option<W> {
        self.waiting.pop_front().map(|(_, waiter)| waiter)
    }

    /// Lets one go; whether it was still there.
    pub(super) fn leave(&mut self, ticket: Ticket) -> bool {
        let place = self.waiting.binary_search_by_key(&ticket, |(it, _)| *it);
        place.is_ok_and(|place| self.waiting.remove(place).is_some())
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }
}

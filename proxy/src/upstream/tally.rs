//! What is counted and known of one target, whatever its upstream's document says.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};

use super::connections::Room;
use super::target::{FULL_WEIGHT, Place};

/// What is counted and known of one target. It outlives the document that the target was first read from.
#[derive(Debug)]
pub(super) struct Tally {
    in_flight: AtomicUsize,
    /// Its part of the requests, up to [`FULL_WEIGHT`].
    weight: AtomicU32,
    /// Whether the last request got no answer.
    has_failed: AtomicBool,
}

/// A request on its way to a target, counted until this is dropped.
#[derive(Debug)]
pub struct Flight {
    place: Arc<Place>,
    /// That of the connection, once it is no longer HTTP's.
    room: Option<Room>,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            in_flight: AtomicUsize::new(0),
            weight: AtomicU32::new(FULL_WEIGHT),
            has_failed: AtomicBool::new(false),
        }
    }
}

impl Tally {
    /// How many requests of this proxy are on their way, or being answered.
    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Its part of the requests, up to [`FULL_WEIGHT`]; none while it is out.
    pub(super) fn weight(&self) -> u32 {
        self.weight.load(Ordering::Relaxed)
    }

    pub(super) fn set_weight(&self, weight: u32) {
        self.weight.store(weight, Ordering::Relaxed);
    }

    /// Whether the last request got no answer.
    pub(super) fn has_failed(&self) -> bool {
        self.has_failed.load(Ordering::Relaxed)
    }

    pub(super) fn set_failed(&self, has_failed: bool) {
        self.has_failed.store(has_failed, Ordering::Relaxed);
    }
}

impl Flight {
    /// Counts a request from now on.
    pub(super) fn to(place: &Arc<Place>) -> Self {
        place.tally.in_flight.fetch_add(1, Ordering::Relaxed);
        Self {
            place: Arc::clone(place),
            room: None,
        }
    }

    /// Where it goes.
    pub(super) fn place(&self) -> &Arc<Place> {
        &self.place
    }

    /// Counts the connection that it goes by for as long as this.
    pub(super) fn hold(&mut self, room: Option<Room>) {
        self.room = room;
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.place.tally.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

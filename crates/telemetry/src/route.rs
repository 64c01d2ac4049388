//! Requests by route and status. The counters of a route are created once, when the router is built. Counting a
//! request then takes two additions and no look-up.

use crate::instrument::{Counter, DURATIONS, Histogram};
use std::time::Duration;

/// The statuses that the API uses. Any other is counted as [`OTHER`].
const STATUSES: [u16; 23] = [
    100, 200, 201, 202, 204, 304, 400, 401, 403, 404, 405, 406, 408, 409, 410, 412, 413, 415, 422, 429, 431,
    500, 503,
];
const OTHER: &str = "other";

/// One route: a method and a path with its parameters in braces, such as `/v1/streams/{stream}/events`.
#[derive(Debug)]
pub struct Route {
    pub(crate) method: &'static str,
    pub(crate) path: &'static str,
    statuses: [Counter; STATUSES.len() + 1],
    pub(crate) duration: Histogram,
}

impl Route {
    pub(crate) fn new(method: &'static str, path: &'static str) -> Self {
        Self { method, path, statuses: Default::default(), duration: Histogram::new(DURATIONS) }
    }

    /// Counts a request. `duration` is the time from the head of the request to the head of the response.
    pub fn answered(&self, status: u16, duration: Duration) {
        let index = STATUSES.binary_search(&status).unwrap_or(STATUSES.len());
        self.statuses[index].inc();
        self.duration.observe_duration(duration);
    }

    /// The statuses used so far, and how often each was used.
    pub(crate) fn read(&self) -> impl Iterator<Item = (String, u64)> {
        let names = STATUSES.iter().map(u16::to_string).chain([String::from(OTHER)]);
        names.zip(self.statuses.iter().map(Counter::get)).filter(|(_, n)| *n > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_is_counted_under_its_own_name_or_other() {
        assert!(STATUSES.is_sorted(), "the list is searched with a binary search");
        let route = Route::new("GET", "/v1/streams");
        for status in [200, 200, 503, 418] {
            route.answered(status, Duration::from_micros(90));
        }
        let read: Vec<_> = route.read().collect();
        assert_eq!(read, [("200".into(), 2), ("503".into(), 1), ("other".into(), 1)]);
        assert_eq!(route.duration.count(), 4);
    }
}

//! Requests that are refused before a route is found, by reason: they belong to no service, so no other counter has them.
//!
//! A shard for each worker, as in [`crate::shard`]. An ordinary request does not come here.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::Error;

/// Why a request was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It is not what RFC 9110 and 9112 allow.
    Malformed,
    /// Its head is longer or has more fields than we take.
    HeadTooLarge,
    /// Its head did not come in time.
    HeadTimeout,
    /// Its target is longer than we take.
    TargetTooLong,
    /// Its method or protocol change is not for a proxy of this kind.
    Unsupported,
    /// No route takes it.
    NoRoute,
    /// It is for another listener than its connection.
    Misdirected,
    /// Too many are in flight.
    Overloaded,
}

impl Refusal {
    /// All of them, in the order of their counters.
    pub(crate) const ALL: [Self; 8] = [
        Self::Malformed,
        Self::HeadTooLarge,
        Self::HeadTimeout,
        Self::TargetTooLong,
        Self::Unsupported,
        Self::NoRoute,
        Self::Misdirected,
        Self::Overloaded,
    ];

    /// What the answer of the proxy means here; `None` where a version was to answer, whose counters have the request.
    pub(crate) const fn of(error: &Error) -> Option<Self> {
        match error {
            Error::Malformed(_) => Some(Self::Malformed),
            Error::TargetTooLong => Some(Self::TargetTooLong),
            Error::Unsupported(_) => Some(Self::Unsupported),
            Error::NoRoute => Some(Self::NoRoute),
            Error::Misdirected => Some(Self::Misdirected),
            Error::Overloaded => Some(Self::Overloaded),
            Error::BodyTooLarge
            | Error::Refused(_)
            | Error::NoEndpoint
            | Error::Connect(_)
            | Error::ConnectTimeout
            | Error::Reset(_)
            | Error::BadResponse
            | Error::RequestTimeout
            | Error::BodyTimeout
            | Error::ClientGone => None,
        }
    }

    /// What the end of a connection means: the parser answers some requests by itself, and ends the connection.
    pub(crate) fn of_parser(error: &hyper::Error) -> Option<Self> {
        match (error.is_parse_too_large(), error.is_parse()) {
            (true, _) => Some(Self::HeadTooLarge),
            (false, true) => Some(Self::Malformed),
            (false, false) => None,
        }
    }

    /// The value of the `reason` label: what a client is told in `x-tidegate-reason`, where it is told one.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Malformed => "malformed-request",
            Self::HeadTooLarge => "head-too-large",
            Self::HeadTimeout => "head-timeout",
            Self::TargetTooLong => "target-too-long",
            Self::Unsupported => "not-supported",
            Self::NoRoute => "no-route",
            Self::Misdirected => "misdirected",
            Self::Overloaded => "overloaded",
        }
    }
}

/// One worker's counters.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Shard([AtomicU64; Refusal::ALL.len()]);

/// The counters of all workers.
#[derive(Debug)]
pub(crate) struct Refused(Box<[Shard]>);

impl Refused {
    /// Counters at zero for `workers` workers.
    pub(crate) fn new(workers: usize) -> Self {
        Self((0..workers).map(|_| Shard::default()).collect())
    }

    /// Counts one request by its worker.
    pub(crate) fn count(&self, worker: usize, refusal: Refusal) {
        let Some(Shard(counters)) = self.0.get(worker) else { return };
        let counter = &counters[refusal as usize];
        // No other thread writes it.
        counter.store(counter.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
    }

    /// The sum over all workers.
    pub(crate) fn sum(&self, refusal: Refusal) -> u64 {
        self.0.iter().map(|Shard(counters)| counters[refusal as usize].load(Ordering::Relaxed)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_those_that_clients_are_told() {
        let errors = [
            Error::Malformed(""),
            Error::TargetTooLong,
            Error::Unsupported(""),
            Error::NoRoute,
            Error::Misdirected,
            Error::Overloaded,
        ];
        for error in errors {
            assert_eq!(Refusal::of(&error).map(Refusal::label), Some(error.answer().1));
        }
        assert_eq!(Refusal::of(&Error::NoEndpoint), None);
    }

    #[test]
    fn every_reason_has_a_counter_of_its_own_that_adds_up() {
        let refused = Refused::new(2);
        for (times, refusal) in Refusal::ALL.into_iter().enumerate() {
            (0..times).for_each(|time| refused.count(time % 2, refusal));
        }
        assert_eq!(Refusal::ALL.map(|refusal| refused.sum(refusal)), [0, 1, 2, 3, 4, 5, 6, 7]);
    }
}

//! PURE. Who comes when: new visitors at random times, and those inside when they have looked at their page.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use super::super::chance::{Chance, Draw};
use super::visitor::Visitor;

/// Visitors inside at once. At 1,500 new ones a second who stay for two seconds it is a third full; beyond it the machine
/// is too slow, and further ones are turned away and counted.
const INSIDE_MAX: usize = 10_000;

/// The visitors inside, and the time of the next arrival.
#[derive(Debug)]
pub(crate) struct Agenda {
    chance: Chance,
    /// Mean seconds between two arrivals.
    gap: f64,
    next_arrival: Instant,
    arrived: u64,
    turned_away: u64,
    inside: usize,
    thinking: BinaryHeap<Due>,
    ready: VecDeque<Due>,
}

#[derive(Debug)]
struct Due {
    at: Instant,
    visitor: Box<Visitor>,
}

impl Agenda {
    /// Nobody is inside at `now`.
    pub(crate) fn new(per_second: u32, chance: Chance, now: Instant) -> Self {
        Self {
            chance,
            gap: 1.0 / f64::from(per_second.max(1)),
            next_arrival: now,
            arrived: 0,
            turned_away: 0,
            inside: 0,
            thinking: BinaryHeap::new(),
            ready: VecDeque::new(),
        }
    }

    /// Calls everybody whose time has come by `now`; returns how many. Arrivals wait for nobody: after a pause all who
    /// should have come meanwhile come.
    pub(crate) fn call(&mut self, now: Instant) -> usize {
        let before = self.ready.len();
        while self.next_arrival <= now {
            let number = self.arrived + self.turned_away;
            if self.inside < INSIDE_MAX {
                self.arrived += 1;
                self.inside += 1;
                self.ready.push_back(Due { at: self.next_arrival, visitor: Box::new(Visitor::new(number)) });
            } else {
                self.turned_away += 1;
            }
            self.next_arrival += Duration::from_secs_f64(self.chance.exponential(number, Draw::Gap, self.gap));
        }
        while self.thinking.peek().is_some_and(|due| due.at <= now) {
            self.ready.extend(self.thinking.pop());
        }
        self.ready.len() - before
    }

    /// Whoever was called first, and when it should have been served.
    pub(crate) fn next(&mut self) -> Option<(Box<Visitor>, Instant)> {
        self.ready.pop_front().map(|Due { at, visitor }| (visitor, at))
    }

    /// A visitor stays and is to be called again.
    pub(crate) fn put(&mut self, visitor: Box<Visitor>, at: Instant) {
        self.thinking.push(Due { at, visitor });
    }

    /// A visitor left.
    pub(crate) fn gone(&mut self) {
        self.inside = self.inside.saturating_sub(1);
    }

    /// Visitors who came in.
    pub(crate) fn arrived(&self) -> u64 {
        self.arrived
    }

    /// Visitors who found too many inside.
    pub(crate) fn turned_away(&self) -> u64 {
        self.turned_away
    }
}

impl Ord for Due {
    /// The heap gives the greatest first: whoever is due earliest.
    fn cmp(&self, other: &Self) -> Ordering {
        other.at.cmp(&self.at)
    }
}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}

impl Eq for Due {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrivals_come_at_their_rate_however_rarely_one_looks() {
        let start = Instant::now();
        for step in [2, 500] {
            let mut agenda = Agenda::new(650, Chance { seed: 1 }, start);
            let mut called = 0;
            for millis in (0..=10_000).step_by(step) {
                called += agenda.call(start + Duration::from_millis(millis));
                while agenda.next().is_some() {
                    agenda.gone();
                }
            }
            assert_eq!(agenda.arrived(), called as u64);
            assert!((6_200..6_800).contains(&called), "{called} in 10 s, looking every {step} ms");
        }
    }

    #[test]
    fn a_full_shop_turns_visitors_away() {
        let start = Instant::now();
        let mut agenda = Agenda::new(1_500, Chance { seed: 1 }, start);
        agenda.call(start + Duration::from_secs(20));
        assert_eq!(agenda.arrived(), INSIDE_MAX as u64);
        assert!(agenda.turned_away() > 15_000);
    }

    #[test]
    fn the_earliest_is_called_first() {
        let start = Instant::now();
        let mut agenda = Agenda::new(1, Chance { seed: 1 }, start + Duration::from_mins(1));
        for millis in [30, 10, 20] {
            agenda.put(Box::new(Visitor::new(millis)), start + Duration::from_millis(millis));
        }
        assert_eq!(agenda.call(start + Duration::from_millis(20)), 2);
        let order: Vec<u64> = std::iter::from_fn(|| agenda.next()).map(|(visitor, _)| visitor.number()).collect();
        assert_eq!(order, [10, 20]);
    }
}

//! PURE. One visitor: what it asks for, and what it makes of the answer.

use std::time::Duration;

use hyper::Method;
use hyper::header::HeaderValue;

use super::super::chance::{Chance, Draw};
use super::client::Answer;
use super::jar::Jar;

/// Pages that everybody looks at.
const PAGES: [&str; 3] = ["/", "/item/bucket", "/item/spade"];
/// How long a page is looked at: from this …
const THINKING_MIN: Duration = Duration::from_millis(200);
/// … and up to as much more.
const THINKING_SPREAD: Duration = Duration::from_millis(400);

/// Somebody with a browser.
#[derive(Debug)]
pub(crate) struct Visitor {
    number: u64,
    /// Pages seen so far.
    page: usize,
    jar: Jar,
}

impl Visitor {
    /// The visitor of a number, about to look at the first page.
    pub(crate) fn new(number: u64) -> Self {
        Self { number, page: 0, jar: Jar::default() }
    }

    /// Its number in this demo.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }

    /// The number of the page it asks for.
    pub(crate) fn page(&self) -> usize {
        self.page
    }

    /// Its cookies.
    pub(crate) fn jar(&self) -> &Jar {
        &self.jar
    }

    /// Takes a `Set-Cookie` value.
    pub(crate) fn keep(&mut self, set_cookie: &HeaderValue) {
        self.jar.keep(set_cookie);
    }

    /// Whether its next request is a purchase.
    pub(crate) fn is_buying(&self) -> bool {
        self.page >= PAGES.len()
    }

    /// Its next request.
    pub(crate) fn request(&self) -> (Method, &'static str) {
        PAGES.get(self.page).map_or((Method::POST, "/buy"), |page| (Method::GET, *page))
    }

    /// Takes an answer. `None`: it leaves; else how long it looks at the page before it goes on.
    pub(crate) fn takes(&mut self, answer: &Answer, chance: Chance) -> Option<Duration> {
        if answer.is_error() || self.is_buying() {
            return None;
        }
        for cookie in &answer.cookies {
            self.keep(cookie);
        }
        let looked_at = self.page as u64;
        self.page += 1;
        let leaves = self.is_buying() && chance.uniform(self.number, Draw::Temper) >= answer.appeal;
        let spread = chance.uniform(self.number, Draw::Thinking(looked_at));
        (!leaves).then(|| THINKING_MIN + THINKING_SPREAD.mul_f64(spread))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Follows visitors who all get the same answer; returns their requests and how many bought.
    fn follow(answer: &Answer) -> (u32, u32) {
        let (mut requests, mut bought) = (0, 0);
        for number in 0..10_000 {
            let mut visitor = Visitor::new(number);
            loop {
                requests += 1;
                let buying = visitor.is_buying();
                if visitor.takes(answer, Chance { seed: 5 }).is_none() {
                    bought += u32::from(buying);
                    break;
                }
            }
        }
        (requests, bought)
    }

    #[test]
    fn as_many_buy_as_the_version_persuades() {
        for appeal in [0.22, 0.25, 0.30] {
            let (requests, bought) = follow(&Answer { status: 200, appeal, ..Answer::default() });
            assert!((f64::from(bought) / 10_000.0 - appeal).abs() < 0.01, "{bought} at {appeal}");
            assert_eq!(requests, 30_000 + bought);
        }
    }

    #[test]
    fn whoever_meets_an_error_leaves() {
        assert_eq!(follow(&Answer { status: 500, appeal: 1.0, ..Answer::default() }), (10_000, 0));
        assert_eq!(follow(&Answer::default()), (10_000, 0), "no answer at all");
    }
}

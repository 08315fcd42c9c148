//! The crowd: visitors who come whether or not the shop keeps up, over a fixed pool of keep-alive connections.
//!
//! Each visitor looks at three pages some hundred milliseconds apart, keeps cookies as a browser does, perhaps buys, and
//! leaves; whoever meets an error leaves at once.

mod agenda;
mod client;
mod jar;
mod seen;
mod visitor;

use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::Notify;
use tokio::time::{Instant, MissedTickBehavior};

pub(crate) use seen::{Seen, VersionSeen};

use super::chance::Chance;
use super::identity;
use super::own_thread::{OwnThread, Stop};
use agenda::Agenda;
use client::{Answer, Client};
use visitor::Visitor;

/// Connections to the proxy. At the usual 20 ms they carry 6,400 requests a second, three times what is asked.
pub(crate) const CONNECTIONS: usize = 128;
/// How often it is looked who is next: well below the time a page takes.
const TICK: Duration = Duration::from_millis(2);

/// The visitors on their way. They stop when this is dropped.
#[derive(Debug)]
pub(crate) struct Crowd {
    seen: Arc<Mutex<Seen>>,
    thread: OwnThread,
}

impl Crowd {
    /// Sends `per_second` new visitors a second to an address.
    pub(crate) fn send(to: SocketAddr, per_second: u32, chance: Chance) -> io::Result<Self> {
        let seen: Arc<Mutex<Seen>> = Arc::default();
        let street = Arc::clone(&seen);
        let thread = OwnThread::start("demo-crowd", move |stop| walk(to, per_second, chance, street, stop))?;
        Ok(Self { seen, thread })
    }

    /// What the visitors have seen so far.
    pub(crate) fn seen(&self) -> Seen {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether it stopped by itself.
    pub(crate) fn has_ended(&self) -> bool {
        self.thread.has_ended()
    }
}

/// What the connections share.
struct Street {
    agenda: RefCell<Agenda>,
    somebody: Notify,
    chance: Chance,
    seen: Arc<Mutex<Seen>>,
}

async fn walk(to: SocketAddr, per_second: u32, chance: Chance, seen: Arc<Mutex<Seen>>, mut stop: Stop) {
    let agenda = RefCell::new(Agenda::new(per_second, chance, Instant::now()));
    let street = Rc::new(Street { agenda, somebody: Notify::new(), chance, seen });
    for _ in 0..CONNECTIONS {
        tokio::task::spawn_local(serve(Client::new(to), Rc::clone(&street)));
    }
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            _ = &mut stop => return,
            now = tick.tick() => street.look(now),
        }
    }
}

/// One connection: takes whoever waits longest, one after the other.
async fn serve(mut client: Client, street: Rc<Street>) {
    loop {
        let (mut visitor, due) = street.next().await;
        if visitor.page() == 0 {
            visitor.keep(&identity::cookie(street.chance, visitor.number(), unix_seconds()));
        }
        let started = Instant::now();
        street.note(|seen| seen.started(started.saturating_duration_since(due)));
        let answer = client.ask(&visitor).await;
        street.answered(visitor, &answer, started.elapsed());
    }
}

impl Street {
    /// Calls whose time has come.
    fn look(&self, now: Instant) {
        let mut agenda = self.agenda.borrow_mut();
        let called = agenda.call(now);
        self.note(|seen| (seen.arrived, seen.turned_away) = (agenda.arrived(), agenda.turned_away()));
        for _ in 0..called {
            self.somebody.notify_one();
        }
    }

    async fn next(&self) -> (Box<Visitor>, Instant) {
        loop {
            if let Some(next) = self.agenda.borrow_mut().next() {
                return next;
            }
            self.somebody.notified().await;
        }
    }

    fn answered(&self, mut visitor: Box<Visitor>, answer: &Answer, took: Duration) {
        self.note(|seen| seen.answered(answer, visitor.is_buying(), took));
        let stays = visitor.takes(answer, self.chance);
        let mut agenda = self.agenda.borrow_mut();
        match stays {
            Some(thinking) => agenda.put(visitor, Instant::now() + thinking),
            None => agenda.gone(),
        }
    }

    fn note(&self, change: impl FnOnce(&mut Seen)) {
        change(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

#[expect(clippy::disallowed_methods, reason = "the edge that reads the wall clock: when a cookie is made")]
fn unix_seconds() -> u32 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u32::try_from(since.as_secs()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::super::scenario::Scenario;
    use super::super::shop::Shop;
    use super::*;

    /// Sends a crowd straight to the canary of a scenario until so many have come, and more requests were answered.
    fn seen(scenario: Scenario, visitors: u64) -> Seen {
        let chance = Chance { seed: 1 };
        let shop = Shop::open(scenario.world(), chance).unwrap();
        let crowd = Crowd::send(shop.addresses()[1], 400, chance).unwrap();
        loop {
            let seen = crowd.seen();
            // On a busy machine they are answered long after they have come.
            if seen.arrived >= visitors && seen.requests > visitors {
                assert!(!crowd.has_ended() && !shop.has_ended());
                return seen;
            }
            std::thread::park_timeout(TICK);
        }
    }

    #[test]
    fn visitors_shop() {
        let seen = seen(Scenario::Better, 1_000);
        let canary = &seen.versions[1];
        assert!(canary.requests > 1_000 && canary.bought > 0, "{seen:?}");
        assert_eq!(
            (seen.requests, seen.versions[0].requests, seen.saw_no_version),
            (canary.requests, 0, 0),
            "{seen:?}"
        );
        assert!(canary.quantile(0.5).unwrap() >= 0.015, "20 ms at least: {seen:?}");
    }

    #[test]
    fn visitors_of_a_broken_version_see_it() {
        let seen = seen(Scenario::Broken, 200);
        let saw = f64::from(u32::try_from(seen.saw_error()).unwrap());
        let answered = f64::from(u32::try_from(seen.requests).unwrap());
        assert!((0.4..0.6).contains(&(saw / answered)), "{seen:?}");
    }
}

//! Load: people who come once, over connections that are kept. Every request is a new visitor.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use super::visitor::Connection;

/// Connections that are kept.
const CONNECTIONS: u32 = 8;

/// What happened to the crowd.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally {
    /// Requests answered with 200.
    pub(crate) good: u64,
    /// What else was answered.
    pub(crate) bad: Vec<String>,
    /// Why connections ended or could not be opened.
    pub(crate) broken: Vec<String>,
    /// Connections opened.
    pub(crate) connections: u32,
}

/// A crowd under way.
pub(crate) struct Crowd {
    shared: Arc<Shared>,
    members: JoinSet<()>,
}

struct Shared {
    address: Mutex<SocketAddr>,
    over: AtomicBool,
    tally: Mutex<Tally>,
}

impl Crowd {
    /// So many visits a second.
    pub(crate) fn start(address: SocketAddr, per_second: u32) -> Self {
        let (over, tally) = (AtomicBool::new(false), Mutex::default());
        let shared = Arc::new(Shared { address: Mutex::new(address), over, tally });
        let mut members = JoinSet::new();
        for _ in 0..CONNECTIONS {
            members.spawn(member(Arc::clone(&shared), Duration::from_secs(1) * CONNECTIONS / per_second));
        }
        Self { shared, members }
    }

    /// Goes somewhere else, as soon as its connections break.
    pub(crate) fn move_to(&self, address: SocketAddr) {
        *self.shared.address.lock().unwrap() = address;
    }

    /// What happened so far.
    pub(crate) fn tally(&self) -> Tally {
        self.shared.tally.lock().unwrap().clone()
    }

    /// Ends it: every request that was sent is answered first.
    pub(crate) async fn stop(mut self) -> Tally {
        self.shared.over.store(true, Ordering::Relaxed);
        while let Some(member) = self.members.join_next().await {
            member.unwrap();
        }
        self.tally()
    }
}

impl Tally {
    /// Nothing failed, and every connection was kept.
    #[track_caller]
    pub(crate) fn assert_unharmed(&self) {
        assert!(self.bad.is_empty() && self.broken.is_empty(), "{:?} {:?}", self.bad, self.broken);
        assert_eq!(self.connections, CONNECTIONS, "connections were opened again");
        assert!(self.good > 0, "nobody came");
    }
}

async fn member(shared: Arc<Shared>, pace: Duration) {
    let mut connection: Option<Connection> = None;
    let mut beat = interval(pace);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !shared.over.load(Ordering::Relaxed) {
        beat.tick().await;
        let result = visit(&shared, &mut connection).await;
        let mut tally = shared.tally.lock().unwrap();
        match result {
            Ok(200) => tally.good += 1,
            Ok(status) => tally.bad.push(status.to_string()),
            Err(error) => {
                tally.broken.push(error);
                connection = None;
            }
        }
    }
}

async fn visit(shared: &Shared, connection: &mut Option<Connection>) -> Result<u16, String> {
    let kept = if let Some(kept) = connection {
        kept
    } else {
        let address = *shared.address.lock().unwrap();
        let opened = Connection::open(address).await?;
        shared.tally.lock().unwrap().connections += 1;
        connection.insert(opened)
    };
    Ok(kept.get("/", &[]).await?.status)
}

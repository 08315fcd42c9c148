//! The lookups of DNS names under way: a few at once, each on its own task, none of them on a worker.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tidegate_config::{Config, limits};
use tokio::task::JoinSet;
use tokio::time::{sleep_until, timeout};

use crate::clock::now;
use crate::dns::{Answer, ResolveError, Resolver};
use crate::resolve::{NameStatus, Names};
use crate::state::Resolved;

/// How long the system's configuration is used before it is read again: it changes when a machine changes its network.
const SYSTEM_READ_AGAIN: Duration = Duration::from_mins(1);

/// Keeps the wanted names answered.
#[derive(Debug)]
pub struct Lookups {
    names: Names,
    source: Source,
    running: JoinSet<(String, Result<Answer, ResolveError>)>,
}

/// Whom to ask. No resolver is built before there is a name to look up.
#[derive(Debug)]
enum Source {
    System { built: Option<(Resolver, Instant)> },
    Server(SocketAddr),
}

impl Lookups {
    /// Asks as the system does.
    pub fn from_system() -> Self {
        Self::of(Source::System { built: None })
    }

    /// Asks one server.
    pub fn with_server(server: SocketAddr) -> Self {
        Self::of(Source::Server(server))
    }

    fn of(source: Source) -> Self {
        Self { names: Names::default(), source, running: JoinSet::new() }
    }

    /// Makes the names in `configs` the wanted ones.
    pub fn want<'a>(&mut self, configs: impl IntoIterator<Item = &'a Config>) {
        self.names.want(configs, now());
    }

    /// The addresses of the names of a first configuration: complete, or what is known after
    /// [`limits::DNS_FIRST_ANSWER_SECONDS`].
    pub async fn first(&mut self, config: &Config) -> Resolved {
        self.want([config]);
        let answered = async {
            while !self.are_known() {
                self.progress().await;
            }
        };
        // Late names are reported by their status.
        let _ = timeout(Duration::from_secs(limits::DNS_FIRST_ANSWER_SECONDS.into()), answered).await;
        self.resolved()
    }

    /// Begins the lookups that are due and returns when one has ended. May be dropped and called again.
    pub async fn progress(&mut self) {
        loop {
            let room = limits::DNS_LOOKUPS_MAX - self.running.len().min(limits::DNS_LOOKUPS_MAX);
            for host in self.names.take_due(room, now()) {
                self.begin(host);
            }
            let has_room = self.running.len() < limits::DNS_LOOKUPS_MAX;
            let due = self.names.next_due().filter(|_| has_room);
            tokio::select! {
                Some(done) = self.running.join_next() => {
                    // A lookup that panicked has been reported; its name is asked for again when it counts as lost.
                    if let Ok((host, outcome)) = done {
                        self.names.enter(&host, outcome, now(), rand::random());
                        return;
                    }
                }
                () = sleep_until(due.unwrap_or_else(now).into()), if due.is_some() => {}
                else => return std::future::pending().await,
            }
        }
    }

    fn begin(&mut self, host: String) {
        let resolver = self.source.resolver();
        self.running.spawn(async move {
            let outcome = match resolver {
                Ok(resolver) => resolver.lookup(&host).await,
                Err(error) => Err(error),
            };
            (host, outcome)
        });
    }

    /// Whether every name has been answered or has failed at least once.
    pub fn are_known(&self) -> bool {
        self.names.are_known()
    }

    /// The socket addresses of every name that has any.
    pub fn resolved(&self) -> Resolved {
        self.names.resolved()
    }

    #[cfg(test)]
    pub(crate) fn has_asked(&self) -> bool {
        !self.running.is_empty() || matches!(self.source, Source::System { built: Some(_) })
    }

    /// All names, for the operator.
    pub fn status(&self) -> Vec<NameStatus> {
        self.names.status()
    }
}

impl Source {
    fn resolver(&mut self) -> Result<Resolver, ResolveError> {
        match self {
            Self::Server(server) => Resolver::with_server(*server),
            Self::System { built: Some((resolver, at)) } if now() < *at + SYSTEM_READ_AGAIN => Ok(resolver.clone()),
            Self::System { built } => {
                let resolver = Resolver::from_system()?;
                *built = Some((resolver.clone(), now()));
                Ok(resolver)
            }
        }
    }
}

//! PURE. The DNS names that endpoints have: what each stands for at the moment, and when to ask for it again.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use tidegate_config::{Address, Config, limits};

use crate::dns::{Answer, ResolveError};
use crate::state::Resolved;

/// The names that are wanted, with the last good answer for each.
#[derive(Debug, Default)]
pub struct Names {
    /// The endpoints as configured: names with their ports.
    wanted: BTreeSet<Address>,
    known: BTreeMap<String, Known>,
}

/// What is known of one name.
#[derive(Debug)]
struct Known {
    /// The last good answer, sorted; empty before the first.
    addresses: Vec<IpAddr>,
    /// When that answer came.
    since: Option<Instant>,
    /// Why the last lookup failed, if it did: then the answer is stale.
    error: Option<String>,
    /// Failures in a row.
    failures: u32,
    /// When to ask; while a lookup is under way, when to give it up for lost.
    due: Instant,
}

/// One name, for the operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameStatus {
    /// The name.
    pub host: String,
    /// What it stands for: the last good answer.
    pub addresses: Vec<IpAddr>,
    /// When that answer came; `None` where there has been none.
    pub since: Option<Instant>,
    /// Why the last lookup failed. While this is set, `addresses` is stale.
    pub error: Option<String>,
}

impl NameStatus {
    /// The age of the answer.
    pub fn age(&self, now: Instant) -> Option<Duration> {
        self.since.map(|since| now.saturating_duration_since(since))
    }
}

impl Names {
    /// Makes the names in `configs` the wanted ones: new ones are due now, those no longer named are forgotten.
    pub fn want<'a>(&mut self, configs: impl IntoIterator<Item = &'a Config>, now: Instant) {
        let services = configs.into_iter().flat_map(|config| config.services.values());
        let endpoints = services.flat_map(|service| service.versions.values()).flat_map(|version| &version.endpoints);
        self.wanted = endpoints.filter(|address| matches!(address, Address::Dns { .. })).cloned().collect();
        let hosts: BTreeSet<&str> = self.wanted.iter().filter_map(host).collect();
        self.known.retain(|host, _| hosts.contains(host.as_str()));
        for host in hosts {
            if !self.known.contains_key(host) {
                self.known.insert(host.to_owned(), Known::new(now));
            }
        }
    }

    /// At most `room` names to look up now, the longest due first. Each counts as under way until it is answered.
    pub fn take_due(&mut self, room: usize, now: Instant) -> Vec<String> {
        let mut due: Vec<_> = self.known.iter_mut().filter(|(_, known)| known.due <= now).collect();
        due.sort_by_key(|(_, known)| known.due);
        due.truncate(room);
        due.into_iter()
            .map(|(host, known)| {
                known.due = now + 2 * seconds(limits::DNS_LOOKUP_TIMEOUT_SECONDS);
                host.clone()
            })
            .collect()
    }

    /// Enters the outcome of a lookup. `jitter`, from 0 to 1, spreads what failed together.
    pub fn enter(&mut self, host: &str, outcome: Result<Answer, ResolveError>, now: Instant, jitter: f64) {
        // Nobody may want it any more.
        let Some(known) = self.known.get_mut(host) else { return };
        match outcome {
            Ok(Answer { addresses, ttl }) => {
                known.addresses = addresses.into_iter().take(limits::ENDPOINTS_PER_VERSION_MAX).collect();
                known.since = Some(now);
                known.error = None;
                known.failures = 0;
                let (min, max) = (seconds(limits::DNS_TTL_SECONDS_MIN), seconds(limits::DNS_TTL_SECONDS_MAX));
                known.due = now + ttl.clamp(min, max);
            }
            Err(error) => {
                known.due = now + back_off(known.failures, jitter);
                known.failures = known.failures.saturating_add(1);
                known.error = Some(told(&error));
            }
        }
    }

    /// When the next name is due; `None` where no name is wanted.
    pub fn next_due(&self) -> Option<Instant> {
        self.known.values().map(|known| known.due).min()
    }

    /// Whether every name has been answered or has failed at least once.
    pub fn are_known(&self) -> bool {
        self.known.values().all(|known| known.since.is_some() || known.failures > 0)
    }

    /// The socket addresses of every name that has any.
    pub fn resolved(&self) -> Resolved {
        let mut resolved = Resolved::new();
        for address in &self.wanted {
            let Address::Dns { host, port } = address else { continue };
            let known = self.known.get(host).filter(|known| !known.addresses.is_empty());
            if let Some(known) = known {
                let sockets = known.addresses.iter().map(|ip| SocketAddr::new(*ip, *port));
                resolved.insert(address.clone(), sockets.collect());
            }
        }
        resolved
    }

    /// All names, for the operator.
    pub fn status(&self) -> Vec<NameStatus> {
        let status = |(host, known): (&String, &Known)| {
            let Known { addresses, since, error, failures: _, due: _ } = known;
            NameStatus { host: host.clone(), addresses: addresses.clone(), since: *since, error: error.clone() }
        };
        self.known.iter().map(status).collect()
    }
}

impl Known {
    fn new(due: Instant) -> Self {
        Self { addresses: Vec::new(), since: None, error: None, failures: 0, due }
    }
}

fn host(address: &Address) -> Option<&str> {
    match address {
        Address::Ip(_) => None,
        Address::Dns { host, port: _ } => Some(host),
    }
}

fn seconds(seconds: u32) -> Duration {
    Duration::from_secs(seconds.into())
}

/// Twice as long after each failure, from the least to the most, and up to a quarter more by chance.
fn back_off(failures: u32, jitter: f64) -> Duration {
    let doubled = limits::DNS_TTL_SECONDS_MIN.saturating_mul(1u32.checked_shl(failures).unwrap_or(u32::MAX));
    seconds(doubled.min(limits::DNS_BACKOFF_SECONDS_MAX)).mul_f64(1.0 + jitter.clamp(0.0, 1.0) / 4.0)
}

/// The error with its cause, in one line.
fn told(error: &ResolveError) -> String {
    error.source().map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
}

#[cfg(test)]
mod tests;

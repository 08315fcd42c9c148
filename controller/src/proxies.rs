//! PURE. What the proxies told at their last scrape, and what a decision may take from it.

use std::net::SocketAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tidegate_config::Name;

use crate::counters::{self, EndpointCount, Reading, ServiceReading};
use crate::engine::{Endpoints, EpochShares, InstanceScrape, Scrapes, Timestamp};
use crate::scrape::ScrapeError;

/// The proxies that are read.
#[derive(Debug, Clone, Default)]
pub struct Proxies {
    targets: Vec<SocketAddr>,
    /// In the order of the targets; empty before the first scrape.
    last: Vec<Proxy>,
}

#[derive(Debug, Clone)]
struct Proxy {
    address: SocketAddr,
    at: Timestamp,
    told: Result<Arc<Reading>, String>,
}

/// One proxy, for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProxyView {
    /// Where it is read.
    pub address: SocketAddr,
    /// When it was read, or should have been.
    pub at: Timestamp,
    /// The generation it has in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<u64>,
    /// Why it could not be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl Proxies {
    /// These proxies, none of them read yet.
    pub fn new(targets: Vec<SocketAddr>) -> Self {
        Self { targets, last: Vec::new() }
    }

    /// What proxies told that others have read: of each where it is, when it was read, and what it said or why it did not.
    pub fn told_by(all: impl IntoIterator<Item = (SocketAddr, Timestamp, Result<Arc<Reading>, String>)>) -> Self {
        let last: Vec<_> = all.into_iter().map(|(address, at, told)| Proxy { address, at, told }).collect();
        Self { targets: last.iter().map(|proxy| proxy.address).collect(), last }
    }

    /// Where they are read.
    pub fn targets(&self) -> &[SocketAddr] {
        &self.targets
    }

    /// Takes in one scrape of every target, in their order.
    pub fn note(&mut self, answers: Vec<Result<String, ScrapeError>>, at: Timestamp) {
        let proxy = |(address, answer): (&SocketAddr, Result<String, ScrapeError>)| {
            let told = match answer {
                Ok(text) => counters::read(&text).map(Arc::new).map_err(|error| in_words(&error)),
                Err(error) => Err(in_words(&error)),
            };
            Proxy { address: *address, at, told }
        };
        self.last = self.targets.iter().zip(answers).map(proxy).collect();
    }

    /// What those that answered told of a service.
    pub(crate) fn told<'a>(
        &'a self,
        service: &'a Name,
    ) -> impl Iterator<Item = (String, &'a Reading, Option<&'a ServiceReading>)> {
        let told = self.last.iter().filter_map(|proxy| Some((proxy.address, proxy.told.as_deref().ok()?)));
        told.map(|(address, reading)| (address.to_string(), reading, reading.services.get(service)))
    }

    /// The counters of a service, or why there are none.
    pub(crate) fn scrapes(&self, service: &Name) -> Scrapes {
        let scrape = |(instance, reading, service): (String, &Reading, Option<&ServiceReading>)| InstanceScrape {
            instance,
            started: reading.started,
            counters: service.map(|service| service.counters.clone()).unwrap_or_default(),
        };
        let seen: Vec<_> = self.told(service).map(scrape).collect();
        if !seen.is_empty() {
            return Scrapes::Seen(seen);
        }
        let reason = |proxy: &Proxy| Some(format!("{}: {}", proxy.address, proxy.told.as_ref().err()?));
        let reasons: Vec<_> = self.last.iter().filter_map(reason).collect();
        Scrapes::Outage(if reasons.is_empty() { "no proxy is known yet".to_owned() } else { reasons.join("; ") })
    }

    /// The least generation in force; `None` while a proxy has not told.
    pub(crate) fn in_force(&self) -> Option<u64> {
        let told = |proxy: &Proxy| proxy.told.as_ref().ok().and_then(|reading| reading.generation);
        let all: Option<Vec<u64>> = self.last.iter().map(told).collect();
        all?.into_iter().min()
    }

    /// The least epoch of a service that is in force; `None` while a proxy has not told.
    pub fn epoch_in_force(&self, service: &Name) -> Option<u64> {
        let told = |proxy: &Proxy| proxy.told.as_ref().ok()?.services.get(service)?.epoch;
        let all: Option<Vec<u64>> = self.last.iter().map(told).collect();
        all?.into_iter().min()
    }

    /// The endpoints of the two versions: a version is down where no proxy can connect to one of its endpoints.
    pub(crate) fn endpoints(&self, service: &Name, canary: &Name, stable: &Name) -> Endpoints {
        let most = |version: &Name| {
            let counts = self.told(service).filter_map(|(_, _, told)| told?.endpoints.get(version));
            counts.fold((0, 0), |(reachable, total), count| {
                let EndpointCount { admitted, ejected, unreachable } = *count;
                let here = admitted.saturating_add(ejected);
                (reachable.max(here), total.max(here.saturating_add(unreachable)))
            })
        };
        let ((canary_reachable, canary_total), (stable_reachable, stable_total)) = (most(canary), most(stable));
        Endpoints { canary_reachable, canary_total, stable_reachable, stable_total, canary_awaited: false }
    }

    /// Whether a proxy has taken this version out of service by itself, in one of these epochs: one that lags behind may
    /// still tell of an earlier rollout.
    pub(crate) fn has_tripped(&self, service: &Name, version: &Name, epochs: &[EpochShares]) -> bool {
        let now = |(tripped, at): &(Name, u64)| tripped == version && epochs.iter().any(|known| known.epoch == *at);
        self.told(service).any(|(_, _, told)| told.is_some_and(|told| told.tripped.iter().any(now)))
    }

    pub(crate) fn views(&self) -> Vec<ProxyView> {
        let view = |proxy: &Proxy| ProxyView {
            address: proxy.address,
            at: proxy.at,
            generation: proxy.told.as_ref().ok().and_then(|reading| reading.generation),
            error: proxy.told.as_ref().err().cloned(),
        };
        self.last.iter().map(view).collect()
    }
}

/// An error and its causes on one line.
pub(crate) fn in_words(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use tidegate_config::Share;

    use super::*;

    fn name(text: &str) -> Name {
        text.parse().unwrap()
    }

    fn answer(generation: u64, admitted: u32) -> String {
        let labels = "service=\"shop\",version=\"v2\"";
        format!(
            "process_start_time_seconds 1\ntidegate_generation {generation}\n\
             tidegate_epoch{{service=\"shop\"}} {generation}\n\
             tidegate_requests_total{{{labels},epoch=\"1\"}} 5\n\
             tidegate_endpoints{{{labels},state=\"admitted\"}} {admitted}\n\
             tidegate_endpoints{{{labels},state=\"unreachable\"}} 1\n\
             tidegate_tripped{{{labels},epoch=\"5\"}} 1\n"
        )
    }

    #[test]
    fn the_slowest_proxy_and_the_best_endpoint_count() {
        let targets = vec!["127.0.0.1:1".parse().unwrap(), "127.0.0.1:2".parse().unwrap()];
        let mut proxies = Proxies::new(targets);
        let check = |proxies: &Proxies, in_force, seen: usize, why: &str| {
            assert_eq!(proxies.in_force(), in_force, "{why}");
            assert_eq!(proxies.epoch_in_force(&name("shop")), in_force, "{why}");
            let Scrapes::Seen(scrapes) = proxies.scrapes(&name("shop")) else { panic!("{why}") };
            assert_eq!(scrapes.len(), seen, "{why}");
        };
        assert!(matches!(proxies.scrapes(&name("shop")), Scrapes::Outage(_)), "before the first scrape");
        proxies.note(vec![Ok(answer(7, 0)), Ok(answer(8, 2))], Timestamp::default());
        check(&proxies, Some(7), 2, "both answer");
        let endpoints = proxies.endpoints(&name("shop"), &name("v2"), &name("v1"));
        assert_eq!((endpoints.canary_reachable, endpoints.canary_total, endpoints.stable_total), (2, 3, 0));
        let epoch = |epoch| EpochShares::of_two(epoch, Share::ZERO, Share::ALL);
        let tripped = |service, version, epochs: &[_]| proxies.has_tripped(&name(service), &name(version), epochs);
        assert!(tripped("shop", "v2", &[epoch(4), epoch(5)]));
        assert!(!tripped("shop", "v2", &[epoch(4)]), "that was another rollout");
        assert!(!tripped("shop", "v1", &[epoch(5)]) && !tripped("cart", "v2", &[epoch(5)]));
        proxies.note(vec![Ok(answer(8, 0)), Err(ScrapeError::Timeout)], Timestamp::default());
        check(&proxies, None, 1, "one is silent: nothing is in force everywhere");
        proxies.note(vec![Err(ScrapeError::Timeout), Ok("up 1".into())], Timestamp::default());
        let Scrapes::Outage(reason) = proxies.scrapes(&name("shop")) else { panic!("nobody answers") };
        assert!(
            reason.contains("127.0.0.1:1: no answer") && reason.contains("127.0.0.1:2: no process_start"),
            "{reason}"
        );
    }
}

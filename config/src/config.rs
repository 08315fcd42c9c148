//! The configuration: what `tidegate.yaml` may say.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;

use serde::{Deserialize, Serialize};

use crate::document;
use crate::limits::{self, Limits};
use crate::listener::{self, Admin, Listener};
use crate::name::Name;
use crate::problem::Problems;
use crate::route::Route;
use crate::service::Service;
use crate::span::Span;
use crate::timeouts::Timeouts;
use crate::tls::{ReadFile, Tls};

/// A configuration whose names and numbers fit each other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Config {
    /// Where clients connect.
    pub listeners: Vec<Listener>,
    /// Where operators read metrics and health.
    #[serde(default)]
    pub admin: Admin,
    /// Worker threads; absent: one for each core. Read at start only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workers: Option<NonZeroUsize>,
    /// Where the access log goes; absent: nowhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_log: Option<AccessLog>,
    /// Which requests go to which service.
    pub routes: Vec<Route>,
    /// The services by name.
    pub services: BTreeMap<Name, Service>,
    /// Every timeout of the data plane.
    #[serde(default)]
    pub timeouts: Timeouts,
    /// The limits that may be set.
    #[serde(default)]
    pub limits: Limits,
}

/// Where the access log goes: one JSON object a line, without cookies or authorization.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum AccessLog {
    /// Standard output.
    Stdout,
}

impl Config {
    /// Reads a configuration from YAML or JSON. On error lists every problem that was found, each by its path.
    pub fn parse(text: &str) -> Result<Self, Problems> {
        let document::Reading { value, mut problems } = document::read::<Self>(text);
        let Some(config) = value else { return Err(problems) };
        if problems.is_empty() {
            config.check(&mut problems);
        } else {
            // Names may be missing only because the part that held them was taken out: keep to what is surely wrong.
            let mut more = Problems::default();
            config.check(&mut more);
            let related = |path: &str| problems.iter().any(|known| shares_a_section(&known.path, path));
            let unrelated: Vec<_> = more.iter().filter(|problem| !related(&problem.path)).cloned().collect();
            for problem in unrelated {
                problems.add(problem.path, problem.wrong, problem.allowed);
            }
        }
        if problems.is_empty() { Ok(config) } else { Err(problems) }
    }

    /// Reads every file of a certificate. On error lists every file that cannot be, or holds something else.
    pub fn load_certificates(mut self, read: &ReadFile<'_>) -> Result<Self, Problems> {
        let mut problems = Problems::default();
        for (i, listener) in self.listeners.iter_mut().enumerate() {
            if let Some(tls) = &mut listener.tls {
                tls.load(read, &format!("listeners[{i}].tls"), &mut problems);
            }
        }
        if problems.is_empty() { Ok(self) } else { Err(problems) }
    }

    /// The same configuration without the private keys that its text holds, to be shown.
    #[must_use]
    pub fn without_keys(mut self) -> Self {
        self.listeners.iter_mut().filter_map(|listener| listener.tls.as_mut()).for_each(Tls::hide_keys);
        self
    }

    /// The longest request timeout of the routes to a service.
    pub fn request_timeout(&self, service: &Name) -> Span {
        let routes = self.routes.iter().filter(|route| route.service == *service);
        routes
            .map(|route| route.request_timeout.unwrap_or(self.timeouts.request))
            .max()
            .unwrap_or(self.timeouts.request)
    }

    fn check(&self, problems: &mut Problems) {
        listener::check(&self.listeners, &self.admin, problems);
        self.timeouts.check(problems);
        self.limits.check(problems);
        self.check_routes(problems);
        for (name, service) in &self.services {
            let path = format!("services.{name}");
            service.check(&path, problems);
            self.check_soak(name, service, &path, problems);
        }
    }

    fn check_routes(&self, problems: &mut Problems) {
        if self.routes.is_empty() || self.routes.len() > limits::ROUTES_MAX {
            let allowed = format!("1 to {} routes", limits::ROUTES_MAX);
            problems.add("routes", format!("{} routes", self.routes.len()), allowed);
        }
        let known = || self.services.keys().map(Name::as_str).collect::<Vec<_>>().join(", ");
        let listeners: BTreeMap<&Name, &Listener> =
            self.listeners.iter().filter_map(|listener| Some((listener.name.as_ref()?, listener))).collect();
        let mut taken = BTreeMap::<_, Taken<'_>>::new();
        for (i, route) in self.routes.iter().enumerate() {
            let place = format!("routes[{i}]");
            if !self.services.contains_key(&route.service) {
                let wrong = format!("\"{}\" is not a service", route.service);
                problems.add(format!("{place}.service"), wrong, known());
            }
            for name in route.listeners.iter().flatten().filter(|name| !listeners.contains_key(name)) {
                let known = listeners.keys().map(|name| name.as_str()).collect::<Vec<_>>().join(", ");
                let allowed = if known.is_empty() { "a listener with this name".to_owned() } else { known };
                problems.add(format!("{place}.listeners"), format!("\"{name}\" is not a listener"), allowed);
            }
            if route.listeners.as_ref().is_some_and(BTreeSet::is_empty) {
                let allowed = "the names of listeners, or no such field: then it is for all of them";
                problems.add(format!("{place}.listeners"), "no listener", allowed);
            }
            let key = (route.host.as_ref(), format!("{:?}", route.path));
            if let Some(first) = taken.entry(key).or_default().add(route, i) {
                let wrong = format!("the same host and path as routes[{first}]");
                problems.add(place, wrong, "one route for each host and path of a listener");
            }
        }
    }

    /// A soak must be able to hold a request that times out and the scrape that reports it; else a step could end
    /// before its worst failures are counted.
    fn check_soak(&self, name: &Name, service: &Service, path: &str, problems: &mut Problems) {
        let Some(policy) = &service.rollout else { return };
        let least = self.request_timeout(name).millis() + policy.scrape_interval.map_or(1_000, Span::millis);
        let explicit = policy.steps.iter().flatten().enumerate().filter_map(|(i, step)| Some((i, step.soak?)));
        let mut soaks = vec![(format!("{path}.rollout.soak"), policy.soak)];
        soaks.extend(explicit.map(|(i, soak)| (format!("{path}.rollout.steps[{i}]"), soak)));
        for (place, soak) in soaks.iter().filter(|(_, soak)| soak.millis() < least) {
            let wrong = format!("a soak of {soak} is shorter than the request timeout and one scrape");
            problems.add(place, wrong, format!("{least}ms or more, or a shorter timeouts.request"));
        }
    }
}

/// The first routes for one host and path: for all listeners, and by their names.
#[derive(Default)]
struct Taken<'a> {
    everywhere: Option<usize>,
    by_name: BTreeMap<&'a Name, usize>,
}

impl<'a> Taken<'a> {
    /// Adds the route with this number; returns one that is for a listener of its.
    fn add(&mut self, route: &'a Route, number: usize) -> Option<usize> {
        let Some(names) = &route.listeners else {
            let earlier = self.everywhere.or_else(|| self.by_name.values().min().copied());
            self.everywhere.get_or_insert(number);
            return earlier;
        };
        let same = names.iter().find_map(|name| self.by_name.get(name).copied());
        for name in names {
            self.by_name.entry(name).or_insert(number);
        }
        self.everywhere.or(same)
    }
}

/// Whether two problem paths lie in the same service, or in the routes and in what these name.
fn shares_a_section(known: &str, new: &str) -> bool {
    let section = |path: &str| path.split(['.', '[']).take(2).map(str::to_owned).collect::<Vec<_>>();
    let (known, new) = (section(known), section(new));
    known.first() == new.first() && (known.first().is_none_or(|first| first != "services") || known == new)
        || new.first().is_some_and(|first| first == "routes")
            && known.first().is_some_and(|first| first == "services" || first == "listeners")
}

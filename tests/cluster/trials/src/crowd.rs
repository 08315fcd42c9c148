//! The visitors of one application, and what they have seen so far.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use tidegate_controller::clock::Clock;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::{Fault, say};

/// Visitors that come all the time, until this is dropped.
pub(crate) struct Crowd {
    seen: Arc<Mutex<Seen>>,
    _child: Child,
}

/// What was seen.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen {
    /// Requests that were answered or failed.
    pub(crate) requests: u64,
    /// Visitors by the version of their first answer.
    pub(crate) visitors: BTreeMap<String, u64>,
    /// The same for each second, with the millisecond at which it ended.
    pub(crate) seconds: Vec<(u64, BTreeMap<String, u64>)>,
    /// Failures by version and what was wrong.
    pub(crate) failed: BTreeMap<String, u64>,
    /// When the first and the last failure of a version came, in milliseconds since the Unix epoch.
    pub(crate) hurt: BTreeMap<String, (u64, u64)>,
}

impl Seen {
    /// Failures that no version was told to make.
    pub(crate) fn lost(&self) -> BTreeMap<String, u64> {
        self.failed.iter().filter(|(what, _)| !was_told(what)).map(|(what, count)| (what.clone(), *count)).collect()
    }

    /// Adds what others have seen.
    pub(crate) fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        for (into, from) in [(&mut self.visitors, &other.visitors), (&mut self.failed, &other.failed)] {
            add(into, from.iter().map(|(name, count)| (name, *count)));
        }
    }
}

impl Crowd {
    /// Has `rate` new visitors a second come to `host` at an address.
    pub(crate) fn gather(shop: &Path, address: &str, host: &str, rate: u32) -> Result<Self, Fault> {
        let (url, rate) = (format!("http://{host}/"), rate.to_string());
        let mut child = Command::new(shop)
            .args(["visit", "--address", address, "--url", &url, "--rate", &rate, "--patience", "60"])
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let seen = Arc::new(Mutex::new(Seen::default()));
        let lines = child.stdout.take().ok_or("no output of the visitors")?;
        tokio::spawn(listen(BufReader::new(lines).lines(), Arc::clone(&seen), host.to_owned()));
        Ok(Self { seen, _child: child })
    }

    /// What was seen until now.
    pub(crate) fn seen(&self) -> Seen {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Whether a version was told to fail so.
fn was_told(what: &str) -> bool {
    what.ends_with(": 500") && !what.starts_with("nobody")
}

async fn listen(
    mut lines: tokio::io::Lines<BufReader<tokio::process::ChildStdout>>,
    seen: Arc<Mutex<Seen>>,
    host: String,
) {
    while let Ok(Some(line)) = lines.next_line().await {
        let Ok(second) = serde_json::from_str::<Value>(&line) else { continue };
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.requests += counts(&second["requests"]).map(|(_, count)| count).sum::<u64>();
        add(&mut seen.visitors, counts(&second["visitors"]));
        let visitors = counts(&second["visitors"]).map(|(name, count)| (name.clone(), count)).collect();
        seen.seconds.push((Clock::System.now().millis(), visitors));
        for (what, count) in counts(&second["failed"]).filter(|(what, _)| !was_told(what)) {
            say(format!("{host}: {count} times {what}"));
        }
        add(&mut seen.failed, counts(&second["failed"]));
        let hurt = serde_json::from_value::<BTreeMap<String, (u64, u64)>>(second["hurt"].clone());
        for (version, (first, last)) in hurt.unwrap_or_default() {
            let known = seen.hurt.entry(version).or_insert((first, last));
            *known = (known.0.min(first), known.1.max(last));
        }
    }
}

/// What is counted in an object of JSON.
fn counts(object: &Value) -> impl Iterator<Item = (&String, u64)> {
    object.as_object().into_iter().flatten().map(|(name, count)| (name, count.as_u64().unwrap_or_default()))
}

fn add<'a>(counts: &mut BTreeMap<String, u64>, more: impl Iterator<Item = (&'a String, u64)>) {
    for (name, count) in more {
        *counts.entry(name.clone()).or_default() += count;
    }
}

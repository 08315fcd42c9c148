//! What of a changed file takes effect only when the process is started again.

use std::fmt;

use crate::config::Config;
use crate::listener::Admin;

/// A changed setting that is read at start only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NeedsRestart {
    /// Which one: a path like `admin.address`.
    pub path: &'static str,
    /// What the file says now.
    pub wanted: String,
    /// What the process was started with, and keeps until its end.
    pub kept: String,
}

impl fmt::Display for NeedsRestart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, wanted, kept } = self;
        write!(f, "{path}: {wanted} takes effect at the next start; until then it is {kept}")
    }
}

impl Config {
    /// The settings in which this file differs from the one that the process was `started` with, and which are read at
    /// start only. Everything else comes into force with the file.
    pub fn needs_restart(&self, started: &Self) -> Vec<NeedsRestart> {
        let told = |config: &Self| {
            let Self {
                admin: Admin { address },
                workers,
                listeners: _,
                access_log: _,
                routes: _,
                services: _,
                timeouts: _,
                limits: _,
            } = config;
            let workers = workers.map_or_else(|| "one for each core".to_owned(), |workers| workers.to_string());
            [("admin.address", address.to_string()), ("workers", workers)]
        };
        let pairs = told(self).into_iter().zip(told(started));
        let changed = pairs.filter(|(wanted, kept)| wanted != kept);
        changed.map(|((path, wanted), (_, kept))| NeedsRestart { path, wanted, kept }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_read_at_start_waits_for_one() {
        let file = |more: &str| {
            let text = format!(
                "{{listeners: [{{address: '127.0.0.1:1'}}], routes: [{{service: s}}], \
                 services: {{s: {{versions: {{v: {{endpoints: ['127.0.0.1:2']}}}}}}}}{more}}}"
            );
            Config::parse(&text).unwrap()
        };
        for (started, now, expected) in [
            ("", "", &[][..]),
            ("", ", admin: {address: '127.0.0.1:9900'}", &[]),
            ("", ", timeouts: {drain: 1s}, limits: {connections: 7}, accessLog: stdout", &[]),
            ("", ", workers: 2", &["workers: 2 takes effect at the next start; until then it is one for each core"]),
            (
                ", workers: 2",
                ", admin: {address: '[::1]:1'}, workers: 3",
                &[
                    "admin.address: [::1]:1 takes effect at the next start; until then it is 127.0.0.1:9900",
                    "workers: 3 takes effect at the next start; until then it is 2",
                ],
            ),
        ] {
            let waiting: Vec<_> = file(now).needs_restart(&file(started)).iter().map(ToString::to_string).collect();
            assert_eq!(waiting, expected, "from {started:?} to {now:?}");
        }
    }
}

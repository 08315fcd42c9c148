//! PURE. What is remembered of one service, and what follows from it and the file together: which version is stable, and
//! which rollout is asked for.

use serde::{Deserialize, Serialize};
use tidegate_config::{Name, RolloutId, Service};

use crate::engine::{EpochShares, Phase, Record, Status};
use crate::ledger::{Epoch, Ledger};
use crate::rivals;
use crate::traffic::Traffic;

/// Everything stored for one service.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ServiceRecord {
    /// Its epochs.
    pub epochs: Ledger,
    /// The rollout under way, or the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout: Option<Status>,
    /// The other versions that the same rollout tries. As long as one of them all has not ended, `rollout` has not either; one
    /// that is promoted is there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rivals: Vec<Status>,
    /// The number of the newest epoch when that rollout started: earlier ones hold none of its evidence.
    #[serde(default)]
    pub epochs_before: u64,
    /// The version that a promotion made stable, as long as the file still names the one before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stable_now: Option<StableNow>,
    /// The last rollout that ended. It never starts again from the same file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished: Option<Finished>,
    /// The number of the last decision, over all rollouts.
    #[serde(default)]
    pub decisions: u64,
    /// The last hour.
    #[serde(default)]
    pub traffic: Traffic,
}

/// A promoted version that wins over the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StableNow {
    /// The version.
    pub version: Name,
    /// What was deployed under that name when it was promoted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// The version that the file names as stable. Another name in the file ends this.
    pub over: Name,
}

/// A rollout that ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Finished {
    /// Its identity.
    pub rollout: RolloutId,
    /// How it ended: `promoted` or `aborted`.
    pub outcome: Phase,
}

/// A rollout that the file asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Its identity.
    pub id: RolloutId,
    /// The version that has the visitors.
    pub stable: Name,
    /// The versions to try.
    pub tried: Vec<Name>,
}

/// One line of a service's log of decisions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Logged {
    /// Counts the decisions for this service from 1, over all rollouts.
    pub number: u64,
    /// The rollout.
    pub rollout: RolloutId,
    /// The decision.
    pub record: Record,
}

impl ServiceRecord {
    /// The rollout under way.
    pub fn under_way(&self) -> Option<&Status> {
        self.rollout.as_ref().filter(|status| !status.phase.is_over())
    }

    /// Every version that the rollout under way tries, or the last one did.
    pub fn tried(&self) -> impl Iterator<Item = &Status> {
        self.rollout.iter().chain(&self.rivals)
    }

    /// Takes them out, to be noted again: with many proxies they are large.
    pub(crate) fn take_tried(&mut self) -> Vec<Status> {
        self.rollout.take().into_iter().chain(std::mem::take(&mut self.rivals)).collect()
    }

    /// Notes how they stand.
    pub(crate) fn note_tried(&mut self, mut all: Vec<Status>) {
        rivals::rank(&mut all);
        let mut all = all.into_iter();
        self.rollout = all.next();
        self.rivals = all.collect();
    }

    /// Notes that `generation` carries all shares that are wanted now.
    pub fn published(&mut self, generation: u64) {
        let all = self.rollout.iter_mut().chain(&mut self.rivals);
        all.filter(|status| !status.phase.is_over()).for_each(|status| status.published(generation));
    }

    /// The stable version: the promoted one, else the one in the file.
    pub fn stable<'a>(&'a self, service: &'a Service) -> Option<&'a Name> {
        self.promoted(service).map(|now| &now.version).or(service.stable_name())
    }

    /// The promoted version that wins over the file; `None` where the file has caught up with it, has taken it out or
    /// deployed something else under its name, or now names a third version.
    pub fn promoted(&self, service: &Service) -> Option<&StableNow> {
        self.stable_now.as_ref().filter(|now| {
            let deployed = service.versions.get(&now.version);
            deployed.is_some_and(|version| version.revision == now.revision) && service.stable_name() == Some(&now.over)
        })
    }

    /// The epochs of the rollout under way.
    pub fn epochs_of(&self, status: &Status) -> Vec<EpochShares> {
        let since = self.epochs.of(status.rollout).filter(|epoch| epoch.number > self.epochs_before);
        let shares = |epoch: &Epoch| EpochShares {
            epoch: epoch.number,
            canary: epoch.share_of(&status.canary),
            stable: epoch.share_of(&status.stable),
            rivals: status.rivals.iter().map(|rival| (rival.clone(), epoch.share_of(rival))).collect(),
        };
        since.map(shares).collect()
    }

    /// The rollout that the file asks for; `None` where it asks for none, or for one that has ended, or for a version
    /// that has all visitors already.
    ///
    /// Its stable version is the one that has the visitors now, so a file that catches up with a promotion in the middle
    /// of the next rollout changes nothing.
    pub fn wanted(&self, name: &Name, service: &Service) -> Option<Wanted> {
        let stable = self.stable(service)?.clone();
        let tried: Vec<Name> = service.tried().cloned().collect();
        if tried.is_empty() || tried.contains(&stable) {
            return None;
        }
        let named = RolloutId::of(name, service)?;
        let id = match self.promoted(service) {
            None => named,
            Some(_) => RolloutId::of(name, &Service { stable: Some(stable.clone()), ..service.clone() })?,
        };
        let over = |finished: &Finished| finished.rollout == id || finished.rollout == named;
        (!self.finished.as_ref().is_some_and(over)).then_some(Wanted { id, stable, tried })
    }

    /// Notes the end of the rollout, if it has ended: a promoted version is stable from now on. The file may be gone.
    pub fn finish(&mut self, service: Option<&Service>) {
        let Some(status) = self.rollout.as_ref().filter(|status| status.phase.is_over()) else { return };
        self.finished = Some(Finished { rollout: status.rollout, outcome: status.phase });
        if let (Phase::Promoted, Some(service)) = (status.phase, service)
            && let Some(over) = service.stable_name().filter(|stable| **stable != status.canary)
        {
            let revision = service.versions.get(&status.canary).and_then(|version| version.revision.clone());
            self.stable_now = Some(StableNow { version: status.canary.clone(), revision, over: over.clone() });
        }
    }

    /// What the operator should know where file and reality differ.
    pub fn notes(&self, service: &Service) -> Vec<String> {
        let mut notes = Vec::new();
        if let Some(StableNow { version, over, .. }) = self.promoted(service) {
            notes.push(format!(
                "{version} was promoted and is stable; the file still names {over} as stable. \
                 Write `stable: {version}` to agree, or take {version} out of the file to return to {over}"
            ));
        } else if let (Some(finished), Some(_)) = (&self.finished, service.tried().next())
            && self.under_way().is_none()
        {
            let canary = service.tried().map(Name::as_str).collect::<Vec<_>>().join(" and ");
            let how = if finished.outcome == Phase::Promoted { "promoted" } else { "aborted" };
            notes.push(format!(
                "the rollout of {canary} was {how} and does not start again from the same file. \
                 Change its revision or the rollout to try again"
            ));
        }
        notes
    }
}

#[cfg(test)]
mod tests {
    use tidegate_config::Config;

    use super::*;

    const FILE: &str = "
        listeners: [{address: '127.0.0.1:8080'}]
        routes: [{service: shop}]
        services:
          shop:
            stable: v1
            canary: v2
            versions:
              v1: {endpoints: ['127.0.0.1:1']}
              v2: {revision: a, endpoints: ['127.0.0.1:2']}
              v3: {endpoints: ['127.0.0.1:3']}
            rollout: {strategy: canary}
    ";

    fn name(text: &str) -> Name {
        text.parse().unwrap()
    }

    fn service(text: &str) -> Service {
        Config::parse(text).unwrap().services.remove(&name("shop")).unwrap()
    }

    /// The versions of the rollout that is asked for after v2, revision a, was promoted over v1.
    fn check(text: &str, stable: &str, wanted: Option<(&str, &str)>, why: &str) {
        let record = ServiceRecord {
            stable_now: Some(StableNow { version: name("v2"), revision: Some("a".into()), over: name("v1") }),
            finished: RolloutId::of(&name("shop"), &service(FILE))
                .map(|rollout| Finished { rollout, outcome: Phase::Promoted }),
            ..ServiceRecord::default()
        };
        let service = service(text);
        assert_eq!(record.stable(&service).map(Name::as_str), Some(stable), "{why}");
        let found = record.wanted(&name("shop"), &service);
        let found = found.as_ref().map(|wanted| (wanted.stable.as_str(), wanted.tried[0].as_str()));
        assert_eq!(found, wanted, "{why}");
    }

    #[test]
    fn what_was_promoted_wins_until_the_file_says_something_new() {
        check(FILE, "v2", None, "the same file");
        check(&FILE.replace("canary: v2", "canary: v3"), "v2", Some(("v2", "v3")), "the next version");
        check(&FILE.replace("revision: a", "revision: b"), "v1", Some(("v1", "v2")), "another v2 is deployed");
        check(&FILE.replace("canary}", "canary, soak: 90s}"), "v2", None, "another policy for what is stable already");
        let caught_up = FILE.replace("stable: v1", "stable: v2").replace("canary: v2", "canary: v3");
        check(&caught_up, "v2", Some(("v2", "v3")), "the file has caught up");
        check(&FILE.replace("stable: v1", "stable: v3"), "v3", Some(("v3", "v2")), "a third version is stable");
    }

    #[test]
    fn a_file_that_catches_up_asks_for_the_same_rollout() {
        let record = ServiceRecord {
            stable_now: Some(StableNow { version: name("v2"), revision: Some("a".into()), over: name("v1") }),
            ..ServiceRecord::default()
        };
        let behind = FILE.replace("canary: v2", "canary: v3");
        let id = |text: &str| record.wanted(&name("shop"), &service(text)).map(|wanted| wanted.id);
        assert!(id(&behind).is_some());
        assert_eq!(id(&behind), id(&behind.replace("stable: v1", "stable: v2")));
    }
}

//! PURE. What is remembered of one service, and what follows from it and the file together: which version is stable, and
//! which rollout is asked for.

use serde::{Deserialize, Serialize};
use tidegate_config::{Name, RolloutId, Service};

use crate::engine::{EpochShares, Phase, Record, Status};
use crate::ledger::{Epoch, Ledger};
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
    /// The version to try.
    pub canary: Name,
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
        let canary = service.canary.clone().filter(|canary| *canary != stable)?;
        let named = RolloutId::of(name, service)?;
        let id = match self.promoted(service) {
            None => named,
            Some(_) => RolloutId::of(name, &Service { stable: Some(stable.clone()), ..service.clone() })?,
        };
        let over = |finished: &Finished| finished.rollout == id || finished.rollout == named;
        (!self.finished.as_ref().is_some_and(over)).then_some(Wanted { id, stable, canary })
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
        } else if let (Some(finished), Some(canary)) = (&self.finished, &service.canary)
            && self.under_way().is_none()
        {
            let how = if finished.outcome == Phase::Promoted { "promoted" } else { "aborted" };
            notes.push(format!(
                "the rollout of {canary} was {how} and does not start again from the same file. \
                 Change its revision or the rollout to try again"
            ));
        }
        notes
    }
}

//! PURE. A rollout in a line.

use kube::core::DynamicObject;
use serde::Serialize;
use tidegate_cluster::rollout_object::{Phase, Rollout, RolloutStatus};
use tidegate_config::Share;
use tidegate_config::policy::Strategy;
use tidegate_controller::engine::Timestamp;

use crate::failure::Failure;
use crate::seen::{self, millis, typed};
use crate::table::Paint;

/// Characters of a message where it is not asked for in full.
const MESSAGE: usize = 80;

/// What a line says.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Row {
    namespace: String,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    service: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    strategy: Option<Strategy>,
    #[serde(skip_serializing_if = "Option::is_none")]
    phase: Option<Phase>,
    #[serde(skip_serializing_if = "Option::is_none")]
    share: Option<Share>,
    /// From 1; absent at 0%.
    #[serde(skip_serializing_if = "Option::is_none")]
    step: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    steps: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stable: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    canary: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    leader: Option<String>,
    /// Milliseconds since the Unix epoch.
    #[serde(skip_serializing_if = "Option::is_none")]
    created: Option<Timestamp>,
}

/// Which columns there are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Columns {
    /// Of several namespaces.
    pub(crate) namespace: bool,
    /// Everything, and messages in full.
    pub(crate) wide: bool,
}

impl Row {
    /// The line of an object. One that cannot be read says so.
    pub(crate) fn of(object: &DynamicObject) -> Self {
        let row = Self {
            namespace: object.metadata.namespace.clone().unwrap_or_default(),
            name: seen::name(object),
            created: object.metadata.creation_timestamp.as_ref().map(|time| millis(time.0)),
            service: None,
            strategy: None,
            phase: None,
            share: None,
            step: None,
            steps: None,
            stable: None,
            canary: None,
            message: None,
            leader: None,
        };
        match typed(object) {
            Ok(rollout) => row.filled(&rollout),
            Err(Failure::Unreadable { why, .. }) => {
                Self { message: Some(format!("cannot be read: {why}; another version of Tidegate wrote it")), ..row }
            }
            Err(other) => Self { message: Some(other.to_string()), ..row },
        }
    }

    /// Whether another one is of the same rollout.
    pub(crate) fn is_of(&self, other: &Self) -> bool {
        (&self.namespace, &self.name) == (&other.namespace, &other.name)
    }

    fn filled(self, rollout: &Rollout) -> Self {
        let none = RolloutStatus::default();
        let status = rollout.status.as_ref().unwrap_or(&none);
        let wrong = seen::wrong(&status.conditions);
        let untouched = rollout.status.is_none().then(|| "no controller has looked at it".to_owned());
        let message = if wrong.is_empty() { status.message.clone().or(untouched) } else { Some(wrong.join(" ")) };
        Self {
            service: Some(rollout.spec.service.to_string()),
            strategy: Some(rollout.spec.policy.strategy),
            phase: status.phase,
            share: status.share,
            step: status.step,
            steps: Some(rollout.spec.policy.steps().len()),
            stable: status.stable.as_ref().map(ToString::to_string),
            canary: tried(status),
            leader: status.leader.clone(),
            message,
            ..self
        }
    }

    /// The heads of the columns.
    pub(crate) fn heads(columns: Columns) -> Vec<String> {
        let mut heads = vec!["NAME", "STRATEGY", "PHASE", "SHARE", "STEP", "STABLE", "CANARY", "AGE"];
        if columns.namespace {
            heads.insert(0, "NAMESPACE");
        }
        if columns.wide {
            heads.extend(["SERVICE", "LEADER"]);
        }
        heads.push("MESSAGE");
        heads.into_iter().map(str::to_owned).collect()
    }

    /// The longest cells of those whose length does not depend on names.
    pub(crate) fn longest(columns: Columns) -> Vec<String> {
        // A revision is a hash of ten characters; an age, as kubectl writes it, has six.
        let mut cells = vec!["", "", "Progressing", "99.99%", "10/10", "5c699f97cf", "5c699f97cf", "10m10s"];
        if columns.namespace {
            cells.insert(0, "");
        }
        cells.into_iter().map(str::to_owned).collect()
    }

    /// The cells below them.
    pub(crate) fn cells(&self, columns: Columns, now: Timestamp) -> Vec<String> {
        let strategy = self.strategy.map(|strategy| match strategy {
            Strategy::Canary => "canary",
            Strategy::BlueGreen => "blueGreen",
            Strategy::Recreate => "recreate",
        });
        let step = self.step.map(|step| match self.steps {
            Some(all) => format!("{step}/{all}"),
            None => step.to_string(),
        });
        let or_none = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        let mut cells = vec![
            self.name.clone(),
            or_none(strategy.map(str::to_owned)),
            or_none(self.phase.map(|phase| format!("{phase:?}"))),
            or_none(self.share.map(|share| share.to_string())),
            or_none(step),
            or_none(self.stable.clone()),
            or_none(self.canary.clone()),
            or_none(self.created.map(|created| age(now.millis_since(created) / 1_000))),
        ];
        if columns.namespace {
            cells.insert(0, self.namespace.clone());
        }
        if columns.wide {
            cells.extend([or_none(self.service.clone()), or_none(self.leader.clone())]);
        }
        let message = self.message.clone().unwrap_or_default();
        cells.push(if columns.wide { message } else { shortened(&message) });
        cells
    }
}

/// The versions that are tried: first the one that the other columns speak of.
fn tried(status: &RolloutStatus) -> Option<String> {
    let rivals = status.rivals.iter().map(|rival| rival.version.to_string());
    let all: Vec<String> = status.canary.iter().map(ToString::to_string).chain(rivals).collect();
    (!all.is_empty()).then(|| all.join(","))
}

/// The colours of phases: what went well, what waits for somebody, what did not go well.
pub(crate) const PAINT: Paint = |cell| match cell {
    "Promoted" => Some("32"),
    "Paused" | "Undecided" | "Standby" | "Recreating" => Some("33"),
    "Aborted" => Some("31"),
    _ => None,
};

fn shortened(message: &str) -> String {
    match message.char_indices().nth(MESSAGE) {
        Some((end, _)) => format!("{}…", message[..end].trim_end()),
        None => message.to_owned(),
    }
}

/// A time as `kubectl` has it: two units at most, the second only where it still says something.
fn age(seconds: u64) -> String {
    const MINUTE: u64 = 60;
    const HOUR: u64 = 60 * MINUTE;
    const DAY: u64 = 24 * HOUR;
    let two = |whole: u64, unit: &str, rest: u64, small: &str| match rest {
        0 => format!("{whole}{unit}"),
        rest => format!("{whole}{unit}{rest}{small}"),
    };
    match seconds {
        few if few < 2 * MINUTE => format!("{few}s"),
        few if few < 10 * MINUTE => two(few / MINUTE, "m", few % MINUTE, "s"),
        few if few < 3 * HOUR => format!("{}m", few / MINUTE),
        few if few < 8 * HOUR => two(few / HOUR, "h", few % HOUR / MINUTE, "m"),
        few if few < 2 * DAY => format!("{}h", few / HOUR),
        few if few < 8 * DAY => two(few / DAY, "d", few % DAY / HOUR, "h"),
        many => format!("{}d", many / DAY),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const SHORT: Columns = Columns { namespace: false, wide: false };
    const WIDE: Columns = Columns { namespace: true, wide: true };

    fn row(spec: &Value, status: &Value) -> Row {
        let metadata = json!({"name": "shop", "namespace": "web", "creationTimestamp": "2027-01-15T08:00:00Z"});
        let kind = json!({"apiVersion": "tidegate.dev/v1alpha1", "kind": "Rollout", "metadata": metadata});
        let mut object = kind;
        object["spec"] = spec.clone();
        object["status"] = status.clone();
        Row::of(&serde_json::from_value(object).unwrap())
    }

    fn cells(columns: Columns, spec: &Value, status: &Value) -> String {
        // Ninety seconds later.
        row(spec, status).cells(columns, Timestamp::from_millis(1_800_000_090_000)).join("|")
    }

    #[test]
    fn a_rollout_is_a_line() {
        let spec = json!({"service": "shop", "strategy": "canary", "steps": ["10%", "100%"]});
        let status = json!({"phase": "Progressing", "share": "10%", "step": 1, "stable": "v1", "canary": "v2",
            "message": "Soaks.", "leader": "a"});
        assert_eq!(cells(SHORT, &spec, &status), "shop|canary|Progressing|10%|1/2|v1|v2|90s|Soaks.");
        assert_eq!(cells(WIDE, &spec, &status), "web|shop|canary|Progressing|10%|1/2|v1|v2|90s|shop|a|Soaks.");
        assert_eq!(Row::heads(SHORT).len(), 9);
        assert_eq!(Row::heads(WIDE).len(), 12);
    }

    #[test]
    fn what_somebody_must_see_to_comes_first() {
        let spec = json!({"service": "shop", "strategy": "canary"});
        let condition = |type_: &str, status: &str, message: &str| {
            json!({"type": type_, "status": status, "reason": "R", "message": message,
                "lastTransitionTime": "2027-01-15T08:00:00Z"})
        };
        for (conditions, message, why) in [
            (json!([condition("TrafficManaged", "False", "Make a route.")]), "Make a route.", "nothing passes us"),
            (json!([condition("Accepted", "False", "Another.")]), "Another.", "it does nothing"),
            (json!([condition("TrafficManaged", "True", "fine")]), "Soaks.", "all is well"),
            (json!([condition("Degraded", "True", "Aborted.")]), "Soaks.", "its phase says that"),
        ] {
            let status = json!({"message": "Soaks.", "conditions": conditions});
            assert_eq!(row(&spec, &status).message.as_deref(), Some(message), "{why}");
        }
        assert_eq!(row(&spec, &Value::Null).message.as_deref(), Some("no controller has looked at it"));
        assert!(cells(SHORT, &spec, &json!({"message": "x".repeat(200)})).ends_with("x…"));
    }

    #[test]
    fn what_another_version_wrote_is_a_line_too() {
        let spec = json!({"service": "shop", "strategy": "shadow"});
        let cells = cells(WIDE, &spec, &Value::Null);
        assert!(cells.starts_with("web|shop|-|-|-|-|-|-|90s|-|-|cannot be read: "), "{cells}");
        assert!(cells.contains("shadow"), "{cells}");
    }

    #[test]
    fn ages_are_short() {
        for (seconds, text) in [
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (330, "5m30s"),
            (3_600, "60m"),
            (12_000, "3h20m"),
            (100_000, "27h"),
            (180_000, "2d2h"),
            (8_640_000, "100d"),
        ] {
            assert_eq!(age(seconds), text);
        }
    }
}

//! PURE. How far a rollout has come, line by line.

use std::fmt::Write;

use tidegate_cluster::rollout_object::Decision;
use tidegate_config::Share;
use tidegate_controller::engine::{Hold, Phase};
use tidegate_controller::view::ServiceView;

use crate::table::Table;

/// What was told last.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    told: Option<Told>,
}

/// What a line is worth telling again for: the phase, the step, the share, why it holds, and notes.
type Told = (Phase, usize, Share, Option<Hold>, Vec<String>);

impl Progress {
    /// A line, where something has changed that is worth one. Numbers that only grow are not.
    pub(crate) fn line(&mut self, view: &ServiceView) -> Option<String> {
        let report = view.rollout.as_ref()?;
        let hold = report.hold.map(|held| held.reason);
        let now = (report.phase, report.step, report.share, hold, view.notes.clone());
        if self.told.as_ref() == Some(&now) {
            return None;
        }
        self.told = Some(now);
        let steps = report.steps.len();
        let share = report.share.to_string();
        let mut line = format!("{:?} step {}/{steps} at {share}: {}\n", report.phase, report.step, report.verdict);
        for note in &view.notes {
            let _ = writeln!(line, "  note: {note}");
        }
        Some(line)
    }
}

/// Decisions in lines, the oldest first.
pub(crate) fn decisions(decisions: &[Decision]) -> String {
    let heads = ["TIME", "RULE", "ACTION", "BY", "DECISION"].map(str::to_owned).to_vec();
    let rows = decisions.iter().map(|decision| {
        let Decision { time, rule, action, actor, text } = decision;
        let time = time.0.strftime("%Y-%m-%d %H:%M:%SZ").to_string();
        vec![time, rule.clone(), action.clone(), actor.clone(), text.clone()]
    });
    Table::default().lines(&std::iter::once(heads).chain(rows).collect::<Vec<_>>(), None)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn decisions_stand_in_columns() {
        let decision = json!({"time": "2027-01-15T08:00:00.250Z", "rule": "command", "action": "pause", "actor": "alice",
            "text": "alice paused at 10%."});
        let text = decisions(&[serde_json::from_value(decision).unwrap()]);
        let expected = "TIME                   RULE      ACTION   BY      DECISION\n\
                        2027-01-15 08:00:00Z   command   pause    alice   alice paused at 10%.\n";
        assert_eq!(text, expected);
    }
}

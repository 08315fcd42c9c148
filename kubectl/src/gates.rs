//! PURE. Gates in lines, as a report has them.

use std::fmt::Write;

use tidegate_cluster::rollout_object::{Before, GateState, GateStatus};

/// A line for each gate, and below it what its Job has left.
pub(crate) fn lines(gates: &[GateStatus], indent: &str) -> String {
    gates.iter().map(|gate| line(gate, indent)).collect()
}

fn line(gate: &GateStatus, indent: &str) -> String {
    let GateStatus { name, before, state, job, message, .. } = gate;
    let before = match before {
        Before::Start => "start",
        Before::Traffic => "traffic",
        Before::Promotion => "promotion",
    };
    let state = match state {
        GateState::Waiting => "waits",
        GateState::Refused => "cannot be made",
        GateState::Running => "runs",
        GateState::Succeeded => "has succeeded",
        GateState::Failed => "has failed",
    };
    let mut text = format!("{indent}gate {name}, before {before}: Job {job} {state}\n");
    for line in message.iter().flat_map(|message| message.lines()) {
        let _ = writeln!(text, "{indent}  {line}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(before: Before, state: GateState, message: Option<&str>) -> GateStatus {
        let (name, version, job) = ("migrate".to_owned(), "v2".to_owned(), "shop-migrate-1".to_owned());
        GateStatus { name, version, before, state, job, message: message.map(str::to_owned) }
    }

    #[test]
    fn a_gate_says_how_it_stands() {
        for (gate, text) in [
            (gate(Before::Start, GateState::Waiting, None), "gate migrate, before start: Job shop-migrate-1 waits\n"),
            (
                gate(Before::Traffic, GateState::Failed, Some("exit code 3:\nno such table")),
                "gate migrate, before traffic: Job shop-migrate-1 has failed\n  exit code 3:\n  no such table\n",
            ),
            (
                gate(Before::Promotion, GateState::Refused, Some("exceeded quota")),
                "gate migrate, before promotion: Job shop-migrate-1 cannot be made\n  exceeded quota\n",
            ),
        ] {
            assert_eq!(lines(&[gate], ""), text);
        }
    }
}

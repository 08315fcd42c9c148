//! PURE. Several versions that one rollout tries at the same time: what each is to know of the others, and whom a command is
//! for. Each has a status of its own, as if it were the only one; at most one of them is promoted.

use crate::engine::{Command, Refusal, Rivals, Status, Verb};

/// What the version at a place is to know of the others.
pub(crate) fn of(all: &[Status], at: usize) -> Rivals {
    let others = || all.iter().enumerate().filter(|(other, _)| *other != at);
    let under_way = || others().filter(|(_, status)| !status.phase.is_over());
    let goal = |status: &Status| status.goal().unwrap_or(f64::NEG_INFINITY);
    // Of two that are as close, the one that is named first.
    let closer = |(other, status): (usize, &Status)| match goal(status).total_cmp(&goal(&all[at])) {
        std::cmp::Ordering::Equal => other < at,
        order => order.is_gt(),
    };
    let promoted = others().find(|(_, status)| status.phase == crate::engine::Phase::Promoted);
    Rivals {
        under_way: u32::try_from(under_way().count()).unwrap_or(u32::MAX),
        leads: under_way().count() > 0 && !under_way().any(closer),
        promoted: promoted.map(|(_, status)| status.canary.clone()),
    }
}

/// Whom a command is for, by their places; or why it is for nobody.
pub(crate) fn meant(all: &[Status], command: &Command) -> Result<Vec<usize>, Refusal> {
    let under_way = all.iter().enumerate().filter(|(_, status)| !status.phase.is_over());
    let known = all.iter().map(|status| status.canary.as_str()).collect::<Vec<_>>().join(" or ");
    let refusal = |wrong: String, possible: String| Refusal { verb: command.verb, wrong, possible };
    if let Some(version) = &command.version {
        let at = all.iter().position(|status| status.canary == *version);
        return at.map(|at| vec![at]).ok_or_else(|| refusal(format!("{version} is not tried"), known));
    }
    let meant: Vec<usize> = under_way.map(|(at, _)| at).collect();
    if meant.len() > 1 && matches!(command.verb, Verb::Promote { .. }) {
        return Err(refusal("several versions are tried".to_owned(), format!("to say which: {known}")));
    }
    Ok(meant)
}

/// Puts the version that is shown first in the first place: the promoted one, else one that is still tried. The order of the
/// others stays.
pub(crate) fn rank(all: &mut [Status]) {
    use crate::engine::Phase::{Aborted, Promoted};
    let rank = |status: &Status| match status.phase {
        Promoted => 0,
        Aborted => 2,
        _ => 1,
    };
    if let Some(first) = (0..all.len()).min_by_key(|at| rank(&all[*at])) {
        all[..=first].rotate_right(1);
    }
}

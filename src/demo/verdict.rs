//! PURE. How a demo ended, for people and for scripts.

use std::time::Duration;

use super::figures::{count, duration, wrap};
use super::moment::{Moment, real};
use super::scenario::VERSIONS;
use super::table::table;
use crate::Exit;

/// Why the demo ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The rollout is over, or its deadline passed.
    Decided,
    /// Somebody wanted it to end.
    Stopped,
    /// Two minutes are up.
    TimeUp,
}

/// The exit of a demo that ended at this moment.
pub(crate) fn exit(moment: &Moment) -> Exit {
    moment.report.as_ref().map_or(Exit::Undecided, |report| report.phase.into())
}

/// The last words, in lines of at most `width` characters: the verdict, the table, what the visitors saw, the seed.
pub(crate) fn verdict(moment: &Moment, ending: Ending, per_second: u32, width: usize) -> Vec<String> {
    let mut lines = wrap(&sentences(moment, ending), width);
    lines.push(String::new());
    if let Some(report) = &moment.report {
        lines.extend(table(report, &moment.seen, width));
        let note =
            "Counted while both versions had visitors, the last of whom had no time to buy yet; times throughout.";
        lines.extend(wrap(note, width));
        lines.push(String::new());
    }
    let rest = [Some(errors(moment)), Some(crowd(moment)), slowness(moment, per_second), surprise(moment, ending)];
    lines.extend(rest.iter().flatten().flat_map(|text| wrap(text, width)));
    lines
}

fn sentences(moment: &Moment, ending: Ending) -> String {
    let standing = moment.report.as_ref().map_or("The rollout had not begun.", |report| report.verdict.as_str());
    match ending {
        Ending::Decided => standing.to_owned(),
        Ending::Stopped => format!("Stopped before there was a decision. {standing}"),
        Ending::TimeUp => format!("Undecided: the demo's two minutes are up. {standing}"),
    }
}

/// How many visitors saw an error, and where.
fn errors(moment: &Moment) -> String {
    let seen = &moment.seen;
    let by_version = VERSIONS.iter().zip(&seen.versions).map(|(name, version)| (*name, version.saw_error));
    let places: Vec<_> = by_version
        .chain([("the proxy", seen.saw_no_version)])
        .filter(|(_, saw)| *saw > 0)
        .map(|(name, saw)| format!("{} from {name}", count(saw)))
        .collect();
    let all = seen.saw_error();
    let each = if places.is_empty() { String::new() } else { format!(": {}", places.join(", ")) };
    let part = if seen.arrived > 0 { real(all) / real(seen.arrived) * 100.0 } else { 0.0 };
    format!("{} of {} visitors saw an error ({part:.2}%){each}.", count(all), count(seen.arrived))
}

/// How many came, and what brings them back.
fn crowd(moment: &Moment) -> String {
    format!(
        "Seed {}: {} visitors in {} ({:.0} a second), {} requests.",
        moment.setting.seed,
        count(moment.seen.arrived),
        duration(moment.elapsed),
        per_second_of(moment.seen.arrived, moment.elapsed),
        count(moment.seen.requests),
    )
}

/// An open loop on a slow machine measures the machine.
fn slowness(moment: &Moment, per_second: u32) -> Option<String> {
    let seen = &moment.seen;
    seen.is_too_slow().then(|| {
        format!(
            "This machine is too slow for {per_second} visitors a second: {} of {} requests started late, {} visitors were \
             turned away. Shares and rates stand, response times do not; try --visitors {}.",
            count(seen.late),
            count(seen.requests),
            count(seen.turned_away),
            (per_second / 2).max(*super::options::VISITORS.start()),
        )
    })
}

fn surprise(moment: &Moment, ending: Ending) -> Option<String> {
    let expected = moment.setting.scenario.expected();
    let differs = ending != Ending::Stopped && exit(moment) != expected;
    differs.then(|| {
        format!(
            "The scenario `{}` usually ends {}. The seed says which visitor gets which version, and a few seeds in a hundred \
             end otherwise.",
            moment.setting.scenario.name(),
            word(expected)
        )
    })
}

const fn word(exit: Exit) -> &'static str {
    match exit {
        Exit::Done => "promoted",
        Exit::RolledBack => "rolled back",
        Exit::Undecided => "held, undecided",
        Exit::Error => "in an error",
    }
}

fn per_second_of(number: u64, time: Duration) -> f64 {
    if time.is_zero() { 0.0 } else { real(number) / time.as_secs_f64() }
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::super::scenario::Scenario;
    use super::*;

    #[test]
    fn the_last_words_name_what_happened() {
        let mut moment = sample::moment();
        moment.setting.scenario = Scenario::Broken;
        let text = verdict(&moment, Ending::Decided, 650, 100).join(" ");
        for part in ["Soaks at 10% for 4 s.", "v2 canary", "Seed 7", "42 of 7,800 visitors saw an error", "40 from v2"]
        {
            assert!(text.contains(part), "{part} in\n{text}");
        }
        assert!(text.contains("`broken` usually ends rolled back"), "{text}");
        assert!(!text.contains("too slow"), "{text}");
        let stopped = verdict(&moment, Ending::Stopped, 650, 100).join(" ");
        assert!(stopped.starts_with("Stopped before there was a decision. "), "{stopped}");
        assert!(!stopped.contains("usually"), "{stopped}");
    }

    #[test]
    fn a_slow_machine_is_not_passed_over() {
        let mut moment = sample::moment();
        moment.seen.late = moment.seen.requests / 10;
        let text = verdict(&moment, Ending::Decided, 650, 100).join(" ");
        assert!(text.contains("too slow for 650 visitors a second") && text.contains("--visitors 325"), "{text}");
    }

    #[test]
    fn the_last_words_fit_the_terminal() {
        for width in [20, 40, 80, 120] {
            let lines = verdict(&sample::moment(), Ending::TimeUp, 650, width);
            assert!(lines.iter().all(|line| line.chars().count() <= width), "{width}: {lines:#?}");
        }
    }

    #[test]
    fn nothing_needs_a_report() {
        let moment = Moment { report: None, ..sample::moment() };
        assert_eq!(exit(&moment), Exit::Undecided);
        assert!(verdict(&moment, Ending::TimeUp, 650, 100)[0].starts_with("Undecided: "));
    }
}

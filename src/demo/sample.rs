//! A moment in the middle of a rollout, for the tests of what shows it.

use std::time::Duration;

use tidegate_config::Share;
use tidegate_controller::engine::{
    Action, ArmReport, Counts, Eta, HarmFrom, Held, Hold, Phase, Plan, Record, Report, Rule, Signal, SignalReport,
    Timestamp,
};
use tidegate_controller::evidence::confidence::Interval;

use super::crowd::{Seen, VersionSeen};
use super::moment::{Moment, Rates, Setting};
use super::scenario::Scenario;

const START: u64 = 1_700_000_000_000;

pub(crate) fn moment() -> Moment {
    let version = |requests, saw_error| {
        let mut version = VersionSeen::default();
        (version.requests, version.saw_error) = (requests, saw_error);
        version
    };
    let seen = Seen {
        arrived: 7_800,
        requests: 25_000,
        versions: [version(22_000, 2), version(3_000, 40)],
        ..Seen::default()
    };
    Moment {
        setting: Setting { scenario: Scenario::Better, seed: 7 },
        elapsed: Duration::from_millis(12_300),
        published: 3,
        in_force: Some(3),
        trouble: None,
        report: Some(report()),
        seen,
        rates: Rates { visitors: 650.0, requests: 2_118.0 },
    }
}

pub(crate) fn report() -> Report {
    let share = |text: &str| text.parse::<Share>().unwrap();
    Report {
        rollout: "00000000deadbeef".parse().unwrap(),
        service: "shop".parse().unwrap(),
        phase: Phase::Progressing,
        at: Timestamp::from_millis(START + 12_300),
        started: Timestamp::from_millis(START),
        finished: None,
        exposed_ms: 9_000,
        steps: ["10%", "50%", "100%"].map(share).to_vec(),
        step: 1,
        share: share("10%"),
        next_share: Some(share("50%")),
        wants_generation: Some(3),
        in_force_since: Some(Timestamp::from_millis(START + 3_000)),
        soak_left_ms: 4_000,
        deadline_left_ms: Some(101_000),
        hold: Some(Held { reason: Hold::Soak, since: Timestamp::from_millis(START + 3_000) }),
        outage: None,
        eta: Eta { seconds: Some(14.2), reason: "evidence on failures is being gathered".into() },
        plan: plan(),
        canary: arm("v2", 660, 1, 200),
        stable: arm("v1", 6_000, 9, 1_500),
        shares: Vec::new(),
        signals: signals(),
        rivals: Vec::new(),
        statistic: 0.32,
        suspicion_bound: 10.0,
        abort_bound: 100.0,
        verdict: "Soaks at 10% for 4 s.".into(),
        recent: vec![
            record(1, 0, "Started v2 against v1 at 0%. At most 0.5% of all visitors may meet an additional failure."),
            record(2, 3_000, "From 0% to 10%: stable is known, the canary gets its first visitors."),
        ],
    }
}

fn plan() -> Plan {
    Plan {
        scrape_interval: tidegate_config::Span::from_secs(1),
        soak_min_ms: 6_000,
        max_harm: 0.005,
        harm_from: HarmFrom::Policy,
        expected_seconds: None,
        counts_per_visitor: 1,
        grids_version: 1,
    }
}

fn arm(version: &str, visitors: u32, failed: u32, converted: u32) -> ArmReport {
    let rate = |events: u32| Some(f64::from(events) / f64::from(visitors));
    ArmReport {
        version: version.parse().unwrap(),
        requests: 3 * u64::from(visitors),
        failures: u64::from(failed),
        visitors: visitors.into(),
        failed: failed.into(),
        failed_rate: rate(failed),
        first_seen: visitors.into(),
        converted: converted.into(),
        conversion_rate: rate(converted),
    }
}

fn signals() -> Vec<SignalReport> {
    let signal = |signal, log_regression: f64, regression_bound, log_assurance: Option<f64>| SignalReport {
        signal,
        canary: Counts { units: 660, events: 1 },
        stable: Counts { units: 6_000, events: 9 },
        log_regression,
        regression: log_regression.exp(),
        regression_bound,
        log_assurance,
        assurance_bound: log_assurance.map(|_| 20.0),
        estimate: None,
        ratio: None,
        excess: None,
    };
    let interval = Interval { lower: Some(1.02), upper: Some(1.44) };
    vec![
        signal(Signal::Errors, -1.0, None, Some(1.5)),
        signal(Signal::Latency, -0.5, None, Some(4.0)),
        SignalReport {
            estimate: Some(1.21),
            ratio: Some(interval),
            ..signal(Signal::Conversion, -2.0, Some(20.0), Some(2.0))
        },
        signal(Signal::Split, -3.0, Some(1_000.0), None),
    ]
}

fn record(seq: u64, after_ms: u64, text: &str) -> Record {
    Record {
        canary: None,
        seq,
        at: Timestamp::from_millis(START + after_ms),
        actor: "tidegate".into(),
        rule: Rule::Start,
        action: Action::Start,
        from: Share::ZERO,
        to: Share::ZERO,
        epoch: Some(1),
        phase: Phase::Progressing,
        inputs: Vec::new(),
        statistic: 1.0,
        bound: None,
        grids_version: 1,
        text: text.into(),
    }
}

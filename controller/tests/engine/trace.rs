//! Two rollouts whose every decision was computed independently, through `decide` itself.
//!
//! The oracle's exposures are the requests of each scrape. The engine takes designed shares, of which only the ratio
//! matters, so each scrape becomes an epoch of its own whose shares are as many millionths as there were requests.

use std::collections::BTreeMap;

use serde_json::Value;
use tidegate_config::policy::{Latency, MaxHarm, Policy};
use tidegate_config::{Share, Span};
use tidegate_controller::engine::{
    ArmCounters, ArmRow, EpochShares, InstanceScrape, Observation, Phase, Scrapes, ServiceCounters, Status, Timestamp,
    decide,
};

use crate::simulator::{ONE_EACH, canary, name, start};

fn rows(value: &Value) -> Vec<Vec<Value>> {
    serde_json::from_value(value["rows"].clone()).expect("rows")
}

fn number(value: &Value) -> u32 {
    value.as_u64().and_then(|number| number.try_into().ok()).expect("a count")
}

struct Trace {
    status: Status,
    now_ms: u64,
    epochs: Vec<EpochShares>,
    generation: u64,
    rows: Vec<ArmRow>,
}

impl Trace {
    fn new(harm: f64) -> Self {
        let policy = Policy {
            soak: Span::from_secs(60),
            deadline: Span::from_secs(3_600),
            scrape_interval: Some(Span::from_secs(5)),
            max_harm: MaxHarm::Fixed(format!("{}%", harm * 100.0).parse().expect("a share")),
            latency: Latency { enabled: false, ..Latency::default() },
            ..canary(&["10%", "20%", "30%", "40%", "50%", "100%"])
        };
        let now_ms = 1_000_000;
        let status = Status::start(start(policy), Timestamp::from_millis(now_ms));
        let first = EpochShares::of_two(1, Share::ZERO, Share::ALL);
        let mut trace = Self { status, now_ms, epochs: vec![first], generation: 0, rows: Vec::new() };
        trace.settle();
        trace.look(trace.scrape());
        trace
    }

    fn scrape(&self) -> Scrapes {
        let counters = ServiceCounters { rows: self.rows.clone() };
        Scrapes::Seen(vec![InstanceScrape { instance: "one".to_owned(), started: 1.0, counters }])
    }

    fn look(&mut self, scrapes: Scrapes) {
        let in_force = Some(self.generation);
        let observation = Observation {
            scrapes,
            in_force,
            epochs: self.epochs.clone(),
            endpoints: ONE_EACH,
            ..Observation::default()
        };
        self.status = decide(&self.status, &observation, Timestamp::from_millis(self.now_ms)).status;
        self.settle();
    }

    /// What is published is in force at once.
    fn settle(&mut self) {
        if self.status.wants_generation.is_none() {
            self.generation += 1;
            self.status.published(self.generation);
            self.look(Scrapes::Skipped);
        }
    }

    fn row(&mut self, [canary, stable, canary_failed, stable_failed]: [u32; 4]) {
        let epoch = self.epochs.len() as u64 + 1;
        let share = |requests| Share::from_ppm(requests).expect("few requests");
        self.epochs.push(EpochShares::of_two(epoch, share(canary), share(stable)));
        for (version, exposed, failed) in [("v2", canary, canary_failed), ("v1", stable, stable_failed)] {
            let counters = ArmCounters { exposed: exposed.into(), failed: failed.into(), ..ArmCounters::default() };
            self.rows.push(ArmRow { version: name(version), epoch, counters });
        }
        self.look(self.scrape());
    }
}

fn close(found: f64, expected: &Value, tolerance: f64) -> bool {
    let expected = expected.as_f64().expect("a number");
    (found - expected).abs() <= tolerance * expected.abs().max(1e-3)
}

#[test]
fn traces_decide_as_computed_independently() {
    let text = include_str!("../stat_vectors.json");
    let vectors: Value = serde_json::from_str(text).expect("the vectors");
    let all = vectors["rows"].as_array().expect("rows");
    let mut seen = 0;
    for vector in all.iter().filter(|row| row["group"] == "trace") {
        seen += 1;
        replay(vector);
    }
    assert_eq!(seen, 2, "two traces");
}

fn replay(vector: &Value) {
    let (inputs, expected) = (&vector["inputs"], &vector["expected"]);
    let rtol = vector["rtol"].as_f64().expect("a tolerance");
    let mut trace = Trace::new(inputs["h"].as_f64().expect("a budget"));
    let mut waiting = [0_u32; 4];
    let expectations = rows(expected);
    let actions: BTreeMap<usize, &str> =
        expectations.iter().enumerate().map(|(i, row)| (i, row[2].as_str().expect("an action"))).collect();
    for (i, row) in rows(inputs).iter().enumerate() {
        let why = format!("{} scrape {i}", vector["id"]);
        let share = trace.status.share;
        assert!(close(share.fraction(), &row[0], rtol), "{why}: at {share}, not {}", row[0]);
        for (sum, count) in waiting.iter_mut().zip(&row[1..]) {
            *sum += number(count);
        }
        trace.now_ms += 5_000;
        if waiting[0] > 0 && waiting[1] > 0 {
            trace.row(waiting);
            waiting = [0; 4];
        } else {
            trace.look(Scrapes::Skipped);
        }
        let sight = tidegate_controller::engine::report(&trace.status, Timestamp::from_millis(trace.now_ms));
        assert!(
            close(sight.statistic, &expectations[i][0], rtol),
            "{why}: M {} not {}",
            sight.statistic,
            expectations[i][0]
        );
        let status = &trace.status;
        let found = match status.phase {
            Phase::Aborted => "rollback",
            Phase::Promoted => "promote",
            _ if status.share != share => "advance",
            _ => "hold",
        };
        assert!(actions[&i].starts_with(found), "{why}: {found}, not {}", actions[&i]);
        if found == "hold" {
            let assurance = sight.signals[0].log_assurance.expect("an assurance");
            assert!(close(assurance, &expectations[i][1], rtol), "{why}: A {assurance} not {}", expectations[i][1]);
        }
    }
    let end = expected["final"].as_str().expect("an end");
    assert_eq!(trace.status.phase, if end == "rollback" { Phase::Aborted } else { Phase::Promoted }, "{end}");
}

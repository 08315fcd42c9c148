//! The statistics against independently computed rows: every group, every row, counted.
//!
//! Each row carries its inputs, the expected numbers and a relative tolerance. Rows of group `ref`
//! describe other methods, for comparison only, and are counted but not run.

#![expect(clippy::panic, reason = "a row that cannot be read fails the test")]

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;
use tidegate_controller::evidence::budget::{self, History, Plan};
use tidegate_controller::evidence::confidence::{PValue, Record, Sides};
use tidegate_controller::evidence::conversion::{Claim, Labels, Outcomes};
use tidegate_controller::evidence::counter::{Reading, delta};
use tidegate_controller::evidence::dispersion::{self, Shard};
use tidegate_controller::evidence::exposure::Exposure;
use tidegate_controller::evidence::forecast::{self, Setting};
use tidegate_controller::evidence::grid::Alternatives;
use tidegate_controller::evidence::increment::{Stratum, Tolerance, increment};
use tidegate_controller::evidence::latency::{JudgedEdge, Quantile};
use tidegate_controller::evidence::mixture::{log_evidence, log_evidence_of};
use tidegate_controller::evidence::process::{Process, Schedule};
use tidegate_controller::evidence::ratio_mismatch::{self, RatioMismatch};
use tidegate_controller::evidence::rule::{Bounds, Stakes, Verdict, discoveries};

#[path = "vectors/replay.rs"]
mod replay;
#[path = "vectors/row.rs"]
mod row;

use replay::{trace, verdict};
use row::{Row, integers, numbers, requests};

/// Rows of each group in the file; a row added or lost must be noticed.
const ROWS: [(&str, usize); 14] = [
    ("counter", 1),
    ("cs", 3),
    ("decide", 3),
    ("inc", 10),
    ("label", 5),
    ("latency", 2),
    ("mix", 5),
    ("phi", 1),
    ("plan", 7),
    ("ref", 10),
    ("restart", 3),
    ("share", 2),
    ("srm", 3),
    ("trace", 2),
];

#[test]
fn every_row_holds() {
    let file: Value = serde_json::from_str(include_str!("stat_vectors.json")).expect("valid JSON");
    let mut ran = BTreeMap::new();
    for value in file["rows"].as_array().expect("rows") {
        let row = Row(value);
        let group = value["group"].as_str().expect("group");
        match group {
            "inc" if row.has("p_s") => expectation(&row),
            "inc" | "share" => single_increment(&row),
            "mix" => row.near("logE", log_evidence_of_row(&row)),
            "restart" => restart(&row),
            "decide" => decide(&row),
            "label" => label(&row),
            "cs" => confidence(&row),
            "srm" => mismatch(&row),
            "counter" => counter(&row),
            "trace" => trace(&row),
            "latency" => latency(&row),
            "plan" if row.has("H") => harm(&row),
            "plan" => growth(&row),
            "phi" => dispersion_index(&row),
            "ref" => {}
            other => panic!("no test for group {other}"),
        }
        *ran.entry(group).or_insert(0) += 1;
    }
    assert_eq!(ran, BTreeMap::from(ROWS));
}

fn single_increment(row: &Row<'_>) {
    let exposure = |by_share: &str, by_units: &str| {
        row.input(if row.has(by_share) {
            by_share
        } else {
            by_units
        })
    };
    let stratum = Stratum {
        exposure_canary: exposure("Xc", "Nc"),
        exposure_stable: exposure("Xs", "Ns"),
        canary_units: row.input("Nc"),
        canary_events: row.input("Ec"),
        stable_events: row.input("Es"),
    };
    let value = increment(
        &stratum,
        row.tolerance(),
        row.input("lambda"),
        row.input("phi"),
    );
    row.near("inc", value);
}

/// Probabilities of 0, 1, ... n events.
fn binomial(n: f64, p: f64) -> Vec<f64> {
    let mut masses = vec![(1.0 - p).powf(n)];
    let mut k = 0.0;
    while k < n {
        let last = masses.last().expect("never empty");
        masses.push(last * (n - k) / (k + 1.0) * p / (1.0 - p));
        k += 1.0;
    }
    masses
}

fn expectation(row: &Row<'_>) {
    let (canary, stable) = (row.input("Nc"), row.input("Ns"));
    let stable_masses = binomial(stable, row.input("p_s"));
    let mut sum = 0.0;
    let mut canary_events = 0.0;
    for canary_mass in binomial(canary, row.input("p_c")) {
        let mut stable_events = 0.0;
        for stable_mass in &stable_masses {
            let stratum = requests(&[canary, stable, canary_events, stable_events]);
            let (lambda, phi) = (row.input("lambda"), row.input("phi"));
            let value = increment(&stratum, row.tolerance(), lambda, phi);
            sum += canary_mass * stable_mass * value.exp();
            stable_events += 1.0;
        }
        canary_events += 1.0;
    }
    row.near("expectation", sum);
}

fn log_evidence_of_row(row: &Row<'_>) -> f64 {
    let value = log_evidence_of(
        &row.strata("intervals"),
        row.grid("grid"),
        row.tolerance(),
        row.input("phi"),
    );
    row.near("e_value", value.exp());
    value
}

fn restart(row: &Row<'_>) {
    let schedule = if row.input("g0") < 1.0 {
        Schedule::over(row.input("K"))
    } else {
        Schedule::AT_ONCE
    };
    let mut process = Process::new(row.grid("grid"), schedule, row.input("phi"));
    for stratum in row.strata("intervals") {
        process.advance(1.0, &[stratum], row.tolerance());
    }
    row.near("log_wealth", process.log_wealth());
}

fn decide(row: &Row<'_>) {
    let logs = |name: &str| -> Vec<f64> { row.list(name).iter().map(|e| e.ln()).collect() };
    if row.has("a") {
        let stakes = Stakes::new(row.list("a")).expect("valid stakes");
        let log_m = stakes.log_statistic(&logs("E"));
        row.near("M", log_m.exp());
        let bounds = Bounds {
            alpha: row.input("alpha"),
            ..Bounds::default()
        };
        let action = match verdict(log_m, &bounds) {
            Verdict::Rollback => "rollback",
            Verdict::Hold(_) => "hold",
            Verdict::Clear => "clear",
        };
        assert_eq!(action, row.expected("action"), "{}", row.id());
    } else if row.has("q") {
        let rejected = discoveries(&logs("e"), row.input("q"));
        assert_eq!(serde_json::json!(rejected), *row.expected("rejected"));
    } else {
        let mut path = PValue::default();
        let expected = numbers(row.expected("p"));
        assert_eq!(expected.len(), logs("E").len(), "{}", row.id());
        for (log, expected) in logs("E").into_iter().zip(expected) {
            let p = path.observe(log);
            assert!(row.close(p, expected), "{}: {p}", row.id());
        }
    }
}

fn label(row: &Row<'_>) {
    let labels = |rows: Vec<Vec<f64>>| -> Vec<Labels> {
        rows.iter()
            .map(|row| Labels {
                exposure: Exposure::split(row[0]),
                canary: row[1],
                stable: row[2],
            })
            .collect()
    };
    let credit = row.table("credit");
    let outcomes = Outcomes {
        converted: &labels(row.table("epochs")),
        baseline: credit.first().map_or(0.0, |row| row[3]),
        unconverted: &labels(credit),
    };
    let margin = row.input("theta0");
    let claim = match row.grid("grid") {
        Alternatives::Loss => Claim::Harmful { margin },
        _ if margin < 1.0 => Claim::NotInferior { margin },
        _ => Claim::Superior,
    };
    let value = log_evidence(claim.alternatives(), |lambda| {
        claim.growth(&outcomes, lambda)
    });
    row.near("logE", value);
    row.near("e_value", value.exp());
    let mut process = Process::new(claim.alternatives(), Schedule::AT_ONCE, 1.0);
    claim.advance(&mut process, 1.0, &outcomes);
    row.near("logE", process.log_wealth());
}

fn confidence(row: &Row<'_>) {
    let record = Record {
        strata: &row.strata("intervals"),
        sides: Sides::FAILURES,
        dispersion: 1.0,
        alpha: row.input("alpha"),
    };
    let interval = match row.0["inputs"]["kind"].as_str() {
        Some("ratio") => record.ratio(),
        Some("excess") => record.excess(),
        other => panic!("no such interval: {other:?}"),
    };
    for (name, bound) in [("lower", interval.lower), ("upper", interval.upper)] {
        match bound {
            Some(bound) => row.near(name, bound),
            None => assert!(row.expected(name).is_null(), "{} {name}", row.id()),
        }
    }
}

fn mismatch(row: &Row<'_>) {
    if row.has("n") {
        let visitors = integers(&row.0["inputs"]["n"]);
        let log = ratio_mismatch::log_evidence_of_many(&visitors, &row.list("theta"));
        row.near("logE", log);
        row.near("p_value", PValue::default().observe(log));
        return;
    }
    assert_eq!(row.grid("omega"), Alternatives::Mismatch);
    let mut test = RatioMismatch::default();
    for epoch in row.table("epochs") {
        test.observe(Exposure::split(epoch[0]), epoch[1], epoch[2]);
    }
    row.near("logE", test.log_evidence());
    assert_eq!(test.alarmed(), *row.expected("alarm"), "{}", row.id());
}

fn counter(row: &Row<'_>) {
    let units = integers(&row.0["inputs"]["requests"]);
    let events = integers(&row.0["inputs"]["errors"]);
    let series = units.iter().zip(&events);
    let readings: Vec<_> = series
        .map(|(&units, &events)| Reading {
            started_at_ms: None,
            values: [units, events],
        })
        .collect();
    let mut kept = Vec::new();
    let mut dropped = Vec::new();
    for (index, pair) in readings.windows(2).enumerate() {
        match delta(&pair[0], &pair[1]) {
            Some(grown) => kept.push(grown),
            None => dropped.push(index),
        }
    }
    assert_eq!(serde_json::json!(kept), *row.expected("kept_intervals"));
    assert_eq!(serde_json::json!(dropped), *row.expected("dropped"));
}

fn latency(row: &Row<'_>) {
    let stable = integers(&row.0["inputs"]["stable"]);
    let canary = integers(&row.0["inputs"]["candidate"]);
    let edge = JudgedEdge::choose(&stable, row.input("u"), 1).expect("stable has history");
    assert_eq!(edge.stable, *row.expected("i"), "{}", row.id());
    assert_eq!(edge.canary, *row.expected("j"), "{}", row.id());
    let stratum = edge.stratum(&stable, &canary);
    row.near("Es", stratum.stable_events);
    row.near("Ec", stratum.canary_events);
    let value = log_evidence_of(
        &[stratum],
        Alternatives::Regression,
        Quantile::REGRESSION,
        1.0,
    );
    row.near("logE", value);
}

fn growth(row: &Row<'_>) {
    let setting = Setting {
        exposure: Exposure::split(row.input("w")),
        canary_rate: row.input("p_c"),
        stable_rate: row.input("p_s"),
        tolerance: row.tolerance(),
    };
    let best = setting.best(match row.0["inputs"]["side"].as_str() {
        Some("R") => Alternatives::Regression,
        _ => Alternatives::Assurance,
    });
    row.near("g", best.rate);
    row.near("lambda_star", best.lambda);
    let bound = row.input("threshold").ln();
    let units = forecast::units_to_go(best.rate, bound, 0.0, forecast::OVERHEAD_NATS);
    row.near("n", units.expect("it grows"));
}

fn harm(row: &Row<'_>) {
    let plan = Plan {
        shares: &[0.1, 0.2, 0.3, 0.4, 0.5, 1.0],
        soak: Duration::from_mins(1),
        tolerance: Tolerance::FAILURES,
        beta: 0.05,
    };
    let history = History {
        units_per_second: row.input("rps"),
        stable_rate: row.input("p0"),
    };
    assert_eq!(row.list("H"), budget::HARM_CHOICES, "{}", row.id());
    let choice = plan.choose_harm(history, Duration::from_mins(15));
    row.near("h", choice.harm);
    let expected = choice.expected.expect("it ends");
    row.near("expected_seconds", expected.as_secs_f64());
}

fn dispersion_index(row: &Row<'_>) {
    let (events, units) = (row.table("E"), row.table("N"));
    let windows: Vec<Vec<Shard>> = events
        .iter()
        .zip(&units)
        .map(|(events, units)| {
            let shards = events.iter().zip(units);
            shards
                .map(|(&events, &units)| Shard { units, events })
                .collect()
        })
        .collect();
    let value = dispersion::index(windows.iter().map(Vec::as_slice));
    row.near("phi", value.expect("there are events"));
}

//! What the wealth process promises, whatever the counts.

use proptest::prelude::*;

use super::*;
use crate::evidence::increment::Arm;

fn stratum(canary: (f64, f64), stable: (f64, f64)) -> Stratum {
    let arm = |(units, events)| Arm { units, events };
    Stratum::of_units(arm(canary), arm(stable))
}

fn regression() -> Process {
    Process::new(Alternatives::Regression, Schedule::over(720.0), 1.0)
}

#[test]
fn a_fresh_process_is_worth_its_stake() {
    for schedule in [Schedule::AT_ONCE, Schedule::over(1.0), Schedule::over(1e6)] {
        let process = Process::new(Alternatives::Assurance, schedule, 1.0);
        assert!(process.log_wealth().abs() < 1e-12, "{schedule:?}");
    }
}

#[test]
fn deposits_move_wealth_but_do_not_make_it() {
    let mut process = regression();
    process.advance(100.0, &[], Tolerance::NONE);
    assert!(process.log_wealth().abs() < 1e-12);
    assert!((process.cash() - (0.5 - 100.0 / 1440.0)).abs() < 1e-12);
    process.advance(1e9, &[], Tolerance::NONE);
    assert_eq!(process.cash(), 0.0, "never more than there is");
    assert!(process.log_wealth().abs() < 1e-12);
}

#[test]
fn a_merged_interval_deposits_for_all_it_spans() {
    let counts = [stratum((10.0, 3.0), (90.0, 1.0))];
    let mut merged = regression();
    merged.advance(3.0, &counts, Tolerance::FAILURES);
    let mut apart = regression();
    apart.advance(1.0, &[], Tolerance::FAILURES);
    apart.advance(1.0, &[], Tolerance::FAILURES);
    apart.advance(1.0, &counts, Tolerance::FAILURES);
    assert!((merged.log_wealth() - apart.log_wealth()).abs() < 1e-12);
}

#[test]
fn a_late_onset_is_seen_sooner_than_without_restarts() {
    let mut with = regression();
    let mut without = Process::new(Alternatives::Regression, Schedule::AT_ONCE, 1.0);
    let healthy = [stratum((125.0, 1.0), (125.0, 1.0))];
    let broken = [stratum((125.0, 8.0), (125.0, 1.0))];
    let mut first = [None; 2];
    for scrape in 0..720 {
        let counts = if scrape < 360 { &healthy } else { &broken };
        for (process, first) in [&mut with, &mut without].into_iter().zip(&mut first) {
            process.advance(1.0, counts, Tolerance::NONE);
            if process.log_wealth() >= 100.0_f64.ln() {
                first.get_or_insert(scrape);
            }
        }
    }
    let [with, without] = first.map(|scrape| scrape.expect("both see it in the end"));
    assert!(with >= 360, "not before the onset");
    assert!(with - 360 < (without - 360) / 2, "{with} against {without}");
}

#[test]
fn stored_state_goes_on_to_the_same_bits() {
    let mut process = regression();
    let counts = [stratum((125.0, 3.0), (1125.0, 1.0))];
    for _ in 0..20 {
        process.advance(1.0, &counts, Tolerance::FAILURES);
    }
    let text = serde_json::to_string(&process).expect("plain data");
    let mut restored: Process = serde_json::from_str(&text).expect("just written");
    assert_eq!(restored, process);
    process.advance(1.0, &counts, Tolerance::FAILURES);
    restored.advance(1.0, &counts, Tolerance::FAILURES);
    assert_eq!(
        restored.log_wealth().to_bits(),
        process.log_wealth().to_bits()
    );
}

#[test]
fn foreign_state_is_refused() {
    let good = serde_json::to_value(regression()).expect("plain data");
    let check = |field: &str, value: serde_json::Value, part: &str| {
        let mut bad = good.clone();
        bad[field] = value;
        let error = serde_json::from_value::<Process>(bad).expect_err(part);
        assert!(error.to_string().contains(part), "{error}");
    };
    check("gridsVersion", 0.into(), "grids version 0");
    check("logs", vec![0.0].into(), "1 wealths");
    check("logs", vec![f64::MAX * 2.0; 9].into(), "invalid type");
    check("cash", 2.into(), "cash");
    check("dispersion", 0.5.into(), "dispersion");
}

fn any_counts() -> impl Strategy<Value = Stratum> {
    let count = || prop_oneof![Just(0.0), 0.0..20.0_f64, 0.0..1e9_f64];
    (count(), count(), count(), count())
        .prop_map(|(n_c, n_s, e_c, e_s)| stratum((n_c, e_c), (n_s, e_s)))
}

proptest! {
    #[test]
    fn wealth_is_always_a_number(
        strata in prop::collection::vec((0.0..50.0_f64, any_counts()), 1..60),
        ratio in 0.01..10.0_f64, excess in 0.0..1.0_f64,
    ) {
        for grid in [Alternatives::Regression, Alternatives::Assurance, Alternatives::Gain] {
            let mut process = Process::new(grid, Schedule::over(100.0), 1.0);
            for (intervals, counts) in &strata {
                process.advance(*intervals, &[*counts], Tolerance { ratio, excess });
                prop_assert!(process.log_wealth().is_finite());
            }
        }
    }

    #[test]
    fn an_outage_of_both_arms_never_raises_wealth_above_the_stake(
        shared in prop::collection::vec((0.01..0.99_f64, 1.0..1e5_f64, 0.0..=1.0_f64), 1..60),
    ) {
        let mut process = regression();
        for (share, total, p) in shared {
            let (canary, stable) = (share * total, (1.0 - share) * total);
            let counts = stratum((canary, canary * p), (stable, stable * p));
            process.advance(1.0, &[counts], Tolerance::FAILURES);
            prop_assert!(process.log_wealth() <= 1e-9);
        }
    }

    #[test]
    fn order_of_strata_within_a_scrape_is_irrelevant(a in any_counts(), b in any_counts()) {
        let mut one = regression();
        let mut other = regression();
        one.advance(1.0, &[a, b], Tolerance::FAILURES);
        other.advance(1.0, &[b, a], Tolerance::FAILURES);
        prop_assert_eq!(one.log_wealth().to_bits(), other.log_wealth().to_bits());
    }
}

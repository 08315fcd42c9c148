//! The order of the rule, and what absent or broken signals do to it.

use proptest::prelude::*;

use super::*;

fn stakes(parts: &[f64]) -> Stakes {
    Stakes::new(parts.to_vec()).expect("valid stakes")
}

#[test]
fn verdicts_in_order_of_rank() {
    let bounds = Bounds::default();
    let check = |m: f64, harm: f64, ratio_mismatch, expected, why: &str| {
        let findings = Findings {
            log_statistic: m.ln(),
            log_harm: harm.ln(),
            ratio_mismatch,
        };
        assert_eq!(bounds.verdict(&findings), expected, "{why}");
    };
    let hold = Verdict::Hold;
    check(1.0, 1.0, false, Verdict::Clear, "nothing known");
    check(9.9, 1.0, false, Verdict::Clear, "below suspicion");
    check(10.1, 1.0, false, hold(Concern::Suspicion), "suspicion");
    check(1.0, 20.1, false, hold(Concern::Harm), "conversions lost");
    check(1.0, 1.0, true, hold(Concern::RatioMismatch), "broken split");
    check(100.1, 1.0, true, Verdict::Rollback, "regression outranks");
    let unknown = hold(Concern::Undefined);
    check(f64::NAN, 1.0, false, unknown, "never clear on NaN");
    check(1.0, f64::NAN, true, unknown, "never clear on NaN");
    assert!(!bounds.assured(f64::NAN), "nor assured");
    assert!(bounds.assured(20.0_f64.ln() + 1e-9) && !bounds.assured(19.9_f64.ln()));
    assert!(bounds.reached(20.0_f64.ln() + 1e-9) && !bounds.reached(f64::NAN));
}

#[test]
fn absent_signals_are_neutral() {
    let check = |parts: &[f64], logs: &[f64], m: f64, why: &str| {
        let log = stakes(parts).log_statistic(logs);
        assert!((log - m.ln()).abs() < 1e-12, "{why}: {}", log.exp());
    };
    check(&[], &[], 1.0, "no signal at all");
    check(&[0.5, 0.5], &[], 1.0, "none has data");
    check(
        &[0.5],
        &[9.0_f64.ln()],
        5.0,
        "the rest of 1 bets on nothing",
    );
    check(&[0.5, 0.5], &[9.0_f64.ln()], 5.0, "stakes are not spread");
    let broken = [f64::NAN, 9.0_f64.ln()];
    check(&[0.5, 0.5], &broken, 4.5, "NaN loses its own stake only");
}

#[test]
fn statistic_stays_in_log_space() {
    let m = stakes(&[0.5, 0.3, 0.2]).log_statistic(&[1e5, -1e5, 0.0]);
    assert!((m - (1e5 + 0.5_f64.ln())).abs() < 1e-9);
    assert!(displayed(m).is_finite());
    assert!(displayed(-1e5) > 0.0);
}

#[test]
fn attribution() {
    let stakes = Stakes::standard(1);
    let logs = [6.0, 7.0, 2.0];
    assert_eq!(stakes.leading(&logs), Some(1), "0.3 e^7 beats 0.5 e^6");
    assert_eq!(stakes.significant(&logs, 0.01), [0, 1]);
    assert_eq!(stakes.significant(&[], 0.01), [0_usize; 0]);
    assert_eq!(Stakes(Vec::new()).leading(&[]), None);
}

#[test]
fn stakes_are_a_division_of_one() {
    let check = |parts: &[f64], ok: bool, why: &str| {
        assert_eq!(Stakes::new(parts.to_vec()).is_ok(), ok, "{why}");
    };
    check(&[0.5, 0.3, 0.2], true, "the defaults");
    check(&[0.1; 10], true, "rounding");
    check(&[0.5, 0.6], false, "more than the budget");
    check(&[-0.1], false, "negative");
    check(&[f64::NAN], false, "not a number");
    for others in 0..7 {
        let Stakes(parts) = Stakes::standard(others);
        assert_eq!(parts.len(), 2 + others);
        assert!(Stakes::new(parts).is_ok(), "{others}");
    }
}

#[test]
fn discoveries_follow_the_step_up_rule() {
    let check = |evidence: &[f64], expected: &[usize], why: &str| {
        let logs: Vec<f64> = evidence.iter().map(|e| e.ln()).collect();
        assert_eq!(discoveries(&logs, 0.05), expected, "{why}");
    };
    check(&[], &[], "no rollout");
    check(&[19.0], &[], "below 1/rate");
    check(&[21.0], &[0], "above 1/rate");
    check(&[30.0, 30.0], &[0, 1], "together below their single bounds");
    check(&[39.0, 1.0], &[], "one of two needs twice as much");
}

proptest! {
    #[test]
    fn the_statistic_rejects_whenever_a_signal_alone_does(
        logs in prop::collection::vec(-50.0..50.0_f64, 3),
    ) {
        let stakes = stakes(&[0.5, 0.3, 0.2]);
        let m = stakes.log_statistic(&logs);
        if !stakes.significant(&logs, 0.01).is_empty() {
            prop_assert!(m >= 100.0_f64.ln());
        }
        let most = logs.iter().copied().fold(f64::MIN, f64::max);
        prop_assert!(m <= most + 1e-9, "a mean is at most the largest");
    }
}

//! Edges, their choice, and what shifts of a distribution do to the evidence.

use super::*;
use crate::evidence::grid::Alternatives;
use crate::evidence::process::{Process, Schedule};

#[test]
fn edges_are_geometric_and_wide_enough() {
    assert_eq!(EDGES_SECONDS.first(), Some(&0.001));
    assert!((EDGES_SECONDS[4] - 0.002).abs() < 1e-18, "four per octave");
    let last = EDGES_SECONDS.last();
    assert!(
        last.is_some_and(|&edge| edge >= 120.0),
        "beyond any timeout"
    );
    for pair in EDGES_SECONDS.windows(2) {
        assert!((pair[1] / pair[0] - 2.0_f64.powf(0.25)).abs() < 1e-12);
    }
}

#[test]
fn choice_of_edges() {
    let check = |histogram: &[u64], level, margin, expected: Option<(usize, usize)>, why: &str| {
        let edge = JudgedEdge::choose(histogram, level, margin);
        let expected = expected.map(|(stable, canary)| JudgedEdge { stable, canary });
        assert_eq!(edge, expected, "{why}");
    };
    check(&[5, 5, 0, 0], 0.5, 1, Some((0, 1)), "reached exactly");
    check(&[4, 6, 0, 0], 0.5, 1, Some((1, 2)), "not yet in the first");
    check(&[4, 6, 0, 0], 0.5, 0, Some((1, 1)), "no margin");
    check(
        &[19, 1, 0, 0],
        0.95,
        1,
        Some((0, 1)),
        "19 of 20, no rounding",
    );
    check(
        &[0, 0, 0, 9],
        0.5,
        1,
        Some((2, 2)),
        "no edge above the last",
    );
    check(&[0, 0, 9, 0], 0.5, 5, Some((2, 2)), "nor a margin");
    check(&[0, 0, 0, 0], 0.5, 1, None, "no history");
    check(&[7], 0.5, 1, None, "no edge at all");
    check(&[], 0.5, 1, None, "no bucket at all");
}

/// 1000 requests around a bucket, `shift` buckets slower, the last `tail` of them very slow.
fn histogram(shift: usize, tail: u64) -> Vec<u64> {
    let mut counts = vec![0; BUCKETS];
    for (bucket, count) in [(20, 300), (21, 400), (22, 200), (24, 80), (26, 20)] {
        counts[bucket + shift] += count;
    }
    counts[20 + shift] -= tail;
    counts[40] += tail;
    counts
}

fn evidence(canary: &[u64], scrapes: usize) -> (f64, f64) {
    let stable = histogram(0, 0);
    let edges = JudgedEdges::choose(&stable, MARGIN_BUCKETS).expect("there is history");
    let process = |alternatives| Process::new(alternatives, Schedule::over(720.0), 1.0);
    let mut worse = Quantile::ALL.map(|_| process(Alternatives::Regression));
    let mut fine = Quantile::ALL.map(|_| process(Alternatives::Assurance));
    for _ in 0..scrapes {
        for (i, stratum) in edges.strata(&stable, canary).into_iter().enumerate() {
            worse[i].advance(1.0, &[stratum], Quantile::REGRESSION);
            fine[i].advance(1.0, &[stratum], Quantile::ALL[i].assurance());
        }
    }
    (
        regression(worse.map(|process| process.log_wealth())),
        assurance(fine.map(|process| process.log_wealth())),
    )
}

#[test]
fn shifts_and_tails() {
    let check = |canary: &[u64], slower: bool, assured: bool, why: &str| {
        let (worse, fine) = evidence(canary, 10);
        assert_eq!(worse >= 200.0_f64.ln(), slower, "{why}: {worse}");
        assert_eq!(fine >= 20.0_f64.ln(), assured, "{why}: {fine}");
    };
    check(&histogram(0, 0), false, true, "the same");
    check(&histogram(1, 0), false, true, "inside the margin");
    check(&histogram(3, 0), true, false, "everything slower");
    check(&histogram(0, 50), true, false, "only the tail slower");
    check(&[0; BUCKETS], false, false, "no traffic, no evidence");
}

#[test]
fn assurance_is_that_of_the_weakest() {
    assert_eq!(assurance([3.0, 1.0, 2.0]).to_bits(), 1.0_f64.to_bits());
    for broken in 0..3 {
        let mut logs = [9.0; 3];
        logs[broken] = f64::NAN;
        assert!(
            assurance(logs).is_nan(),
            "a broken quantile assures nothing"
        );
    }
}

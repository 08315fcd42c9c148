//! Averaging e-values in log space.
//!
//! The mean of e-values is an e-value under any dependence, which serves both the unknown size of
//! an effect (a grid of alternatives) and several views of one signal (quantiles).

use super::grid::Alternatives;
use super::increment::{Stratum, Tolerance, increment, real};

/// `ln(e^t1 + e^t2 + ...)` without overflow; negative infinity for no terms.
pub fn log_sum_exp(terms: &[f64]) -> f64 {
    let largest = terms.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if largest == f64::NEG_INFINITY {
        // Nothing, or only zeros; a NaN among them must still show.
        return terms.iter().fold(f64::NEG_INFINITY, |sum, term| sum + term);
    }
    let sum: f64 = terms.iter().map(|term| (term - largest).exp()).sum();
    largest + sum.ln()
}

/// Logarithm of the mean of `e^t`; negative infinity for no terms.
pub fn log_mean_exp(terms: &[f64]) -> f64 {
    if terms.is_empty() {
        return f64::NEG_INFINITY;
    }
    log_sum_exp(terms) - real(terms.len() as u64).ln()
}

/// Log evidence of an even bet over the grid, where `growth` gives the summed increments (nats)
/// of one alternative.
pub fn log_evidence(alternatives: Alternatives, growth: impl Fn(f64) -> f64) -> f64 {
    let terms: Vec<f64> = alternatives
        .factors()
        .iter()
        .map(|&lambda| growth(lambda))
        .collect();
    log_mean_exp(&terms)
}

/// Log evidence (nats) of a whole log of strata, staked entirely at its beginning.
///
/// For decisions use [`super::process::Process`], whose restarts also see a late onset.
pub fn log_evidence_of(
    strata: &[Stratum],
    alternatives: Alternatives,
    tolerance: Tolerance,
    dispersion: f64,
) -> f64 {
    log_evidence(alternatives, |lambda| {
        strata
            .iter()
            .map(|stratum| increment(stratum, tolerance, lambda, dispersion))
            .sum()
    })
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "infinities are exact")]
mod tests {
    use super::*;

    #[test]
    fn sums_survive_the_range_of_evidence() {
        let check = |terms: &[f64], expected: f64, why: &str| {
            let value = log_sum_exp(terms);
            assert!(
                value == expected || (value - expected).abs() < 1e-12 * expected.abs(),
                "{why}: {value}"
            );
        };
        check(&[], f64::NEG_INFINITY, "an empty sum is zero");
        check(&[f64::NEG_INFINITY; 2], f64::NEG_INFINITY, "zeros");
        check(&[90_000.0, -90_000.0], 90_000.0, "no overflow");
        check(&[-90_000.0; 2], -90_000.0 + 2.0_f64.ln(), "no underflow");
        assert!(log_sum_exp(&[f64::NAN, 1.0]).is_nan(), "errors stay seen");
        assert!(log_sum_exp(&[f64::NAN]).is_nan(), "errors stay seen");
    }

    #[test]
    fn mean_of_equal_terms_is_the_term() {
        assert!((log_mean_exp(&[3.5; 7]) - 3.5).abs() < 1e-12);
        assert_eq!(log_mean_exp(&[]), f64::NEG_INFINITY);
    }
}

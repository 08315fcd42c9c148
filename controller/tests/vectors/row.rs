//! A row of the file: typed access to its inputs and checks that name it.

use serde_json::Value;
use tidegate_controller::evidence::grid::Alternatives;
use tidegate_controller::evidence::increment::{Arm, Stratum, Tolerance};

/// One row of the file, with checks that name it.
pub(crate) struct Row<'a>(pub(crate) &'a Value);

impl Row<'_> {
    pub(crate) fn id(&self) -> &str {
        self.0["id"].as_str().expect("id")
    }

    pub(crate) fn has(&self, input: &str) -> bool {
        !self.0["inputs"][input].is_null()
    }

    pub(crate) fn input(&self, name: &str) -> f64 {
        number(&self.0["inputs"][name])
    }

    pub(crate) fn list(&self, name: &str) -> Vec<f64> {
        numbers(&self.0["inputs"][name])
    }

    pub(crate) fn table(&self, name: &str) -> Vec<Vec<f64>> {
        let rows = self.0["inputs"][name].as_array();
        rows.map_or_else(Vec::new, |rows| rows.iter().map(numbers).collect())
    }

    pub(crate) fn expected(&self, name: &str) -> &Value {
        &self.0["expected"][name]
    }

    /// Whether `value` is within the row's relative tolerance.
    pub(crate) fn close(&self, value: f64, expected: f64) -> bool {
        (value - expected).abs() <= number(&self.0["rtol"]) * expected.abs()
    }

    pub(crate) fn near(&self, name: &str, value: f64) {
        let expected = number(self.expected(name));
        let id = self.id();
        assert!(
            self.close(value, expected),
            "{id} {name}: {value}, not {expected}"
        );
    }

    pub(crate) fn tolerance(&self) -> Tolerance {
        Tolerance {
            ratio: self.input("theta0"),
            excess: self.input("delta"),
        }
    }

    /// The named grid of this crate that has the row's factors.
    pub(crate) fn grid(&self, input: &str) -> Alternatives {
        let sorted = |factors: &[f64]| {
            let mut factors = factors.to_vec();
            factors.sort_by(f64::total_cmp);
            factors
        };
        let wanted = sorted(&self.list(input));
        let grids = [
            Alternatives::Regression,
            Alternatives::Assurance,
            Alternatives::Gain,
            Alternatives::Loss,
            Alternatives::Mismatch,
        ];
        let same = |grid: &Alternatives| sorted(grid.factors()) == wanted;
        grids.into_iter().find(same).expect("a known grid")
    }

    pub(crate) fn strata(&self, name: &str) -> Vec<Stratum> {
        let rows = self.table(name);
        rows.iter().map(|row| requests(row)).collect()
    }
}

pub(crate) fn number(value: &Value) -> f64 {
    value
        .as_f64()
        .unwrap_or_else(|| panic!("{value} is no number"))
}

pub(crate) fn numbers(value: &Value) -> Vec<f64> {
    value
        .as_array()
        .expect("a list")
        .iter()
        .map(number)
        .collect()
}

pub(crate) fn integers(value: &Value) -> Vec<u64> {
    let list = value.as_array().expect("a list");
    list.iter().map(|n| n.as_u64().expect("a count")).collect()
}

/// Columns: canary units, stable units, canary events, stable events.
pub(crate) fn requests(row: &[f64]) -> Stratum {
    let [canary_units, stable_units, canary_events, stable_events] = *row else {
        panic!("four columns, not {row:?}");
    };
    let canary = Arm {
        units: canary_units,
        events: canary_events,
    };
    let stable = Arm {
        units: stable_units,
        events: stable_events,
    };
    Stratum::of_units(canary, stable)
}

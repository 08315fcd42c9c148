//! From cells to rows: medians over the rounds, and ratios against the bare HAProxy of the same round.

use std::collections::BTreeMap;

use serde::Serialize;

use super::cell::Cell;
use super::peer::Peer;
use super::scenario::Scenario;

/// What all ratios are against.
pub(crate) const BASELINE: (Peer, Scenario) = (Peer::Haproxy, Scenario::Bare);

/// One proxy in one scenario, over all rounds.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Row {
    pub(crate) peer: Peer,
    pub(crate) scenario: Scenario,
    pub(crate) rounds: usize,
    pub(crate) cpu_us_per_request: Figure,
    pub(crate) requests_per_second: Figure,
    pub(crate) p50_us: Figure,
    pub(crate) p99_us: Figure,
    pub(crate) memory_bytes: Figure,
    /// The median; see [`Cell::core_share`].
    pub(crate) core_share: f64,
    /// The median; see [`Cell::idle_share`].
    pub(crate) idle_share: f64,
    /// The worst round; see [`Cell::disturbance`].
    pub(crate) disturbance: f64,
}

/// One column of one row.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Figure {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
    /// The median of the rounds' ratios; none where no round has both cells.
    pub(crate) ratio: Option<f64>,
}

/// The rows of all cells, by scenario and then by proxy.
pub(crate) fn rows(cells: &[Cell]) -> Vec<Row> {
    let mut groups: BTreeMap<(Scenario, Peer), Vec<&Cell>> = BTreeMap::new();
    for cell in cells {
        groups.entry((cell.scenario, cell.peer)).or_default().push(cell);
    }
    let baseline: BTreeMap<u32, &Cell> =
        cells.iter().filter(|cell| (cell.peer, cell.scenario) == BASELINE).map(|cell| (cell.round, cell)).collect();
    let row = |((scenario, peer), cells): ((Scenario, Peer), Vec<&Cell>)| {
        let figure = |column: fn(&Cell) -> f64| figure(&cells, &baseline, column);
        Row {
            peer,
            scenario,
            rounds: cells.len(),
            cpu_us_per_request: figure(|cell| cell.cpu_us_per_request),
            requests_per_second: figure(|cell| cell.requests_per_second),
            p50_us: figure(|cell| cell.p50_us),
            p99_us: figure(|cell| cell.p99_us),
            memory_bytes: figure(memory),
            core_share: median(cells.iter().map(|cell| cell.core_share)).unwrap_or_default(),
            idle_share: median(cells.iter().map(|cell| cell.idle_share())).unwrap_or_default(),
            disturbance: cells.iter().map(|cell| cell.disturbance).fold(0.0, f64::max),
        }
    };
    groups.into_iter().map(row).collect()
}

#[expect(clippy::cast_precision_loss, reason = "no memory here comes near 2^53 bytes")]
fn memory(cell: &Cell) -> f64 {
    cell.memory_bytes as f64
}

fn figure(cells: &[&Cell], baseline: &BTreeMap<u32, &Cell>, column: fn(&Cell) -> f64) -> Figure {
    let values = || cells.iter().map(|cell| column(cell));
    let ratios = cells.iter().filter_map(|cell| Some(column(cell) / column(baseline.get(&cell.round)?)));
    Figure {
        median: median(values()).unwrap_or(f64::NAN),
        min: values().fold(f64::INFINITY, f64::min),
        max: values().fold(f64::NEG_INFINITY, f64::max),
        ratio: median(ratios),
    }
}

/// The middle value, or the mean of the two middle ones.
fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_by(f64::total_cmp);
    let upper = *sorted.get(sorted.len() / 2)?;
    let lower = sorted[(sorted.len() - 1) / 2];
    Some(f64::midpoint(lower, upper))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(peer: Peer, scenario: Scenario, round: u32, cpu: f64) -> Cell {
        Cell {
            peer,
            scenario,
            round,
            requests: 1000,
            cpu_us_per_request: cpu,
            requests_per_second: 1e6 / cpu,
            p50_us: cpu * 64.0,
            p99_us: cpu * 128.0,
            memory_bytes: 1 << 20,
            core_share: 0.99,
            disturbance: f64::from(round) / 100.0,
        }
    }

    #[test]
    #[expect(clippy::float_cmp, reason = "these values are copied or computed exactly")]
    fn drift_between_rounds_cancels_in_the_ratio() {
        let cells: Vec<Cell> = [(1, 10.0), (2, 20.0), (3, 40.0)]
            .into_iter()
            .flat_map(|(round, cpu)| {
                [cell(Peer::Haproxy, Scenario::Bare, round, cpu), cell(Peer::Nginx, Scenario::New, round, cpu * 1.5)]
            })
            .collect();
        let rows = rows(&cells);
        let ratios: Vec<_> = rows.iter().map(|row| row.cpu_us_per_request.ratio).collect();
        assert_eq!(ratios, [Some(1.0), Some(1.5)]);
        let nginx = &rows[1].cpu_us_per_request;
        assert_eq!([nginx.median, nginx.min, nginx.max], [30.0, 15.0, 60.0]);
        assert_eq!([rows[1].core_share, rows[1].disturbance], [0.99, 0.03]);
    }

    #[test]
    fn without_the_baseline_there_is_no_ratio() {
        let other_round = cell(Peer::Haproxy, Scenario::Bare, 2, 10.0);
        let other_scenario = cell(Peer::Haproxy, Scenario::New, 1, 10.0);
        let rows = rows(&[cell(Peer::Envoy, Scenario::Bare, 1, 30.0), other_round, other_scenario]);
        let envoy = rows.iter().find(|row| row.peer == Peer::Envoy).unwrap();
        assert_eq!(envoy.cpu_us_per_request.ratio, None);
    }

    #[test]
    fn the_middle_of_an_even_number_is_the_mean_of_two() {
        assert_eq!(median([4.0, 1.0, 3.0, 2.0].into_iter()), Some(2.5));
        assert_eq!(median([3.0].into_iter()), Some(3.0));
        assert_eq!(median(std::iter::empty()), None);
    }
}

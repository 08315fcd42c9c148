//! Whole rollouts, scrape by scrape.

use tidegate_controller::evidence::budget;
use tidegate_controller::evidence::grid::Alternatives;
use tidegate_controller::evidence::increment::Tolerance;
use tidegate_controller::evidence::process::{Process, Schedule};
use tidegate_controller::evidence::rule::{Bounds, Findings, Stakes, Verdict};

use crate::row::{Row, number, requests};

/// The least engine that can replay a trace: what a controller does, for one guardrail.
struct Replay {
    regression: Process,
    /// The share each assurance process would admit the canary to, and the process.
    assurance: Vec<(f64, Process)>,
    harm: f64,
    /// Scrapes not yet used because one arm had no traffic, summed.
    pending: [f64; 4],
    pending_scrapes: f64,
    scrapes_in_step: u32,
}

impl Replay {
    const SOAK_SCRAPES: u32 = 12;

    fn new(harm: f64, intervals: f64) -> Self {
        let process = |grid| Process::new(grid, Schedule::over(intervals), 1.0);
        let next_shares = [0.2, 0.3, 0.4, 0.5, 1.0];
        Self {
            regression: process(Alternatives::Regression),
            assurance: next_shares
                .map(|share| (share, process(Alternatives::Assurance)))
                .into(),
            harm,
            pending: [0.0; 4],
            pending_scrapes: 0.0,
            scrapes_in_step: 0,
        }
    }

    fn scrape(&mut self, share: f64, counts: &[f64]) -> (f64, f64, &'static str) {
        for (sum, count) in self.pending.iter_mut().zip(counts) {
            *sum += count;
        }
        self.pending_scrapes += 1.0;
        self.scrapes_in_step += 1;
        if self.pending[0] > 0.0 && self.pending[1] > 0.0 {
            self.advance();
        }
        let stakes = Stakes::new(vec![0.5]).expect("valid stakes");
        let log_m = stakes.log_statistic(&[self.regression.log_wealth()]);
        let next = self.assurance.iter().find(|(next, _)| *next > share);
        let (next_share, assurance) = next.expect("shares stay below 1");
        let log_a = assurance.log_wealth();
        let bounds = Bounds::default();
        let soaked = self.scrapes_in_step >= Self::SOAK_SCRAPES;
        let action = match verdict(log_m, &bounds) {
            Verdict::Rollback => "rollback",
            Verdict::Clear if soaked && bounds.assured(log_a) => {
                self.scrapes_in_step = 0;
                if *next_share < 1.0 {
                    "advance"
                } else {
                    "promote"
                }
            }
            Verdict::Clear | Verdict::Hold(_) => "hold",
        };
        (log_m, log_a, action)
    }

    fn advance(&mut self) {
        let strata = [requests(&self.pending)];
        let scrapes = self.pending_scrapes;
        self.regression
            .advance(scrapes, &strata, Tolerance::FAILURES);
        for (next_share, process) in &mut self.assurance {
            let tolerance =
                budget::assurance_tolerance(Tolerance::FAILURES, self.harm, *next_share);
            process.advance(scrapes, &strata, tolerance);
        }
        self.pending = [0.0; 4];
        self.pending_scrapes = 0.0;
    }
}

/// Replays one trace and checks the evidence and the action of every scrape.
pub(crate) fn trace(row: &Row<'_>) {
    let mut replay = Replay::new(row.input("h"), row.input("K"));
    let scrapes = row.table("rows");
    let expected = row.expected("rows").as_array().expect("rows");
    assert_eq!(scrapes.len(), expected.len(), "{}", row.id());
    let mut last = "";
    for (index, (scrape, expected)) in scrapes.iter().zip(expected).enumerate() {
        let (log_m, log_a, action) = replay.scrape(scrape[0], &scrape[1..]);
        let (m, id) = (log_m.exp(), row.id());
        assert!(row.close(m, number(&expected[0])), "{id} {index}: M {m}");
        assert!(
            row.close(log_a, number(&expected[1])),
            "{id} {index}: log A {log_a}"
        );
        assert_eq!(action, expected[2], "{id} {index}");
        last = action;
    }
    assert_eq!(last, row.expected("final"), "{}", row.id());
}

/// The verdict on one statistic alone.
pub(crate) fn verdict(log_statistic: f64, bounds: &Bounds) -> Verdict {
    bounds.verdict(&Findings {
        log_statistic,
        log_harm: 0.0,
        ratio_mismatch: false,
    })
}

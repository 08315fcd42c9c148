//! How often and how fast the demo's policy decides right: `cargo run --release --example simulate [SEEDS]`.

#![expect(clippy::print_stdout, reason = "it reports")]

#[expect(dead_code, reason = "the tests use the rest")]
#[path = "../tests/engine/simulator.rs"]
mod simulator;

use simulator::{HEALTHY, Simulation, World, canary};
use tidegate_config::Span;
use tidegate_config::policy::Policy;
use tidegate_controller::engine::{Phase, report};

/// Three requests each: a visitor fails with a chance of 0.2%.
const BASE: World =
    World { visitors: 600, requests: 3, failures: [0.002 / 3.0; 2], conversion: [0.25, 0.30], window: 5.0, ..HEALTHY };

const WORLDS: [(&str, World); 8] = [
    ("better", BASE),
    ("same", World { conversion: [0.25; 2], ..BASE }),
    ("worse", World { conversion: [0.25, 0.22], ..BASE }),
    ("broken", World { failures: [0.002 / 3.0, 0.5], ..BASE }),
    ("slow", World { slow: 1.6, ..BASE }),
    ("outage", World { outage: Some((12.0, 20.0, 0.6)), ..BASE }),
    ("better, latencies spread widely (sigma 1)", World { sigma: 1.0, ..BASE }),
    ("better, 5% of requests stall in both", World { stalls: 0.05, ..BASE }),
];

fn policy() -> Policy {
    let conversion = r#"{"path": {"exact": "/buy"}}"#;
    Policy {
        deadline: Span::from_secs(110),
        conversion: Some(serde_json::from_str(conversion).expect("a conversion")),
        ..canary(&["10%", "50%", "100%"])
    }
}

fn main() {
    let seeds = std::env::args().nth(1).and_then(|text| text.parse().ok()).filter(|seeds| *seeds > 0).unwrap_or(200);
    println!("| world | promoted | aborted | undecided | median s | p99 s | longest s |");
    println!("|---|---|---|---|---|---|---|");
    let verdicts: Vec<String> =
        WORLDS.iter().map(|(name, world)| format!("{name}: {}", run(name, *world, seeds))).collect();
    println!("\n{}", verdicts.join("\n"));
}

/// Prints the row of one world; returns the verdict of the first seed.
fn run(name: &str, world: World, seeds: u32) -> String {
    let mut ended = [0_u32; 3];
    let mut seconds = Vec::new();
    let mut verdict = String::new();
    for seed in 0..seeds {
        let mut simulation = Simulation::new(world, policy(), u64::from(seed));
        simulation.run_until(200, |status| status.phase.is_over() || status.phase == Phase::Undecided);
        let report = report(&simulation.status, simulation.status.started);
        let end = match report.phase {
            Phase::Promoted => 0,
            Phase::Aborted => 1,
            _ => 2,
        };
        ended[end] += 1;
        seconds.push(report.exposed_ms / 1_000);
        if seed == 0 {
            verdict = report.verdict;
        }
    }
    seconds.sort_unstable();
    let at = |part: usize| seconds[(seconds.len() - 1) * part / 100];
    let part = |count: u32| format!("{:.1}%", 100.0 * f64::from(count) / f64::from(seeds));
    let [promoted, aborted, undecided] = ended.map(part);
    println!("| {name} | {promoted} | {aborted} | {undecided} | {} | {} | {} |", at(50), at(99), at(100));
    verdict
}

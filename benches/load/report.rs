//! The report: a table for people, or everything as JSON.

use std::fmt::Write;
use std::io::IsTerminal;

use serde_json::{Value, json};

use super::Result;
use super::cell::Cell;
use super::generator::Generator;
use super::machine::machine;
use super::options::{Options, Protocol};
use super::peer::{Installed, Peer};
use super::scenario::Scenario;
use super::summary::{Figure, Row, rows};
use super::usage::TICK_MICROSECONDS;

/// A cell that has no figures, and why.
#[derive(Clone, Debug)]
pub(crate) struct Failed {
    pub(crate) peer: Peer,
    pub(crate) scenario: Scenario,
    pub(crate) why: String,
}

/// Everything that a run found out.
#[derive(Debug)]
pub(crate) struct Report<'a> {
    pub(crate) options: &'a Options,
    pub(crate) generator: Generator,
    pub(crate) proxies: &'a [Installed],
    pub(crate) cells: &'a [Cell],
    pub(crate) failed: &'a [Failed],
}

impl Report<'_> {
    /// For programs.
    pub(crate) fn json(&self) -> Result<String> {
        let proxies: Vec<Value> =
            self.proxies.iter().map(|proxy| json!({"peer": proxy.peer, "version": proxy.version})).collect();
        let failed: Vec<Value> = self
            .failed
            .iter()
            .map(|cell| json!({"peer": cell.peer, "scenario": cell.scenario, "why": cell.why}))
            .collect();
        let report = json!({
            "protocol": self.options.protocol,
            "generator": self.generator.name(),
            "connections": self.options.connections,
            "streams": (self.options.protocol == Protocol::H2).then_some(self.options.streams),
            "seconds": self.options.seconds,
            "rounds": self.options.rounds,
            "machine": machine(),
            "tickMicroseconds": TICK_MICROSECONDS,
            "proxies": proxies,
            "rows": rows(self.cells),
            "cells": self.cells,
            "failed": failed,
        });
        Ok(serde_json::to_string_pretty(&report)?)
    }

    /// For people.
    pub(crate) fn table(&self) -> Result<String> {
        let paint = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        let rows = rows(self.cells);
        let mut text = self.heading();
        for scenario in Scenario::ALL {
            writeln!(text, "\n{}\n{HEADER}", scenario.title())?;
            for proxy in self.proxies {
                let row = rows.iter().find(|row| (row.peer, row.scenario) == (proxy.peer, scenario));
                match row {
                    Some(row) => writeln!(text, "{}", line(&proxy.title(), row, paint))?,
                    None => writeln!(text, "  {:<18} failed", proxy.title())?,
                }
            }
        }
        self.notes(&mut text, &rows)?;
        Ok(text)
    }

    fn heading(&self) -> String {
        let Options { connections, rounds, seconds, protocol, streams, .. } = self.options;
        let streams = match protocol {
            Protocol::H1 => String::new(),
            Protocol::H2 => format!(" x {streams} streams"),
        };
        format!(
            "{}\n{}, {connections} connections{streams}, {rounds} round(s) of {seconds} s, {}, bodies of 1 KiB\n\
             medians; `x` is the ratio to the bare HAProxy of the same round; access logs off, timeouts on\n",
            machine(),
            protocol.title(),
            self.generator.name(),
        )
    }

    fn notes(&self, text: &mut String, rows: &[Row]) -> std::fmt::Result {
        writeln!(
            text,
            "\nCPU time comes in ticks of {} ms: one tick is {:.1} % of a cell.",
            TICK_MICROSECONDS / 1000,
            1.0 / f64::from(self.options.seconds),
        )?;
        if let Some(caveat) = self.generator.caveat() {
            writeln!(text, "{caveat}.")?;
        }
        if rows.iter().any(|row| row.idle_share > WAITING) {
            writeln!(text, "idle above 5 %: the generator's core was the limit; requests/s is a lower bound there.")?;
        }
        if rows.iter().any(|row| row.disturbance > QUIET) {
            writeln!(text, "disturbed above 3 %: others ran on the proxy's core; repeat on a quiet machine.")?;
        }
        writeln!(text, "Sticky by:")?;
        for proxy in self.proxies {
            writeln!(text, "  {:<9} {}", proxy.peer.name(), proxy.peer.stickiness())?;
        }
        if let Some(worst) = self.goal(rows) {
            let verdict = if worst <= 1.0 { "met" } else { "missed" };
            let goal = "Tidegate with 100 sticky routes costs at most 1.00 of a bare HAProxy";
            writeln!(text, "Goal: {goal}: {verdict} ({worst:.2}).")?;
        }
        Ok(())
    }

    /// The ratio that our own goal is about, if this run can tell.
    fn goal(&self, rows: &[Row]) -> Option<f64> {
        if self.options.protocol != Protocol::H1 {
            return None;
        }
        rows.iter()
            .filter(|row| row.peer == Peer::Tidegate && row.scenario.is_sticky())
            .filter_map(|row| row.cpu_us_per_request.ratio)
            .reduce(f64::max)
    }
}

/// The share of its core that a busy proxy may leave idle: connections open at the start, and end.
const WAITING: f64 = 0.05;
/// The share of the proxy's core that others may have without a warning.
const QUIET: f64 = 0.03;

const HEADER: &str = "  proxy              CPU us/req     x  (min-max)         req/s     x   p50 ms     x   p99 ms     x    MiB      x   idle  disturbed";

fn line(title: &str, row: &Row, paint: bool) -> String {
    let cpu = &row.cpu_us_per_request;
    let range = format!("({:.1}-{:.1})", cpu.min, cpu.max);
    format!(
        "  {title:<18} {:>10.2} {} {range:<14} {:>9.0} {} {:>8.2} {} {:>8.2} {} {:>6.1} {:>6} {:>5.0}% {:>9.1}%",
        cpu.median,
        painted(cpu, paint),
        row.requests_per_second.median,
        ratio(&row.requests_per_second),
        row.p50_us.median / 1e3,
        ratio(&row.p50_us),
        row.p99_us.median / 1e3,
        ratio(&row.p99_us),
        row.memory_bytes.median / 1024.0 / 1024.0,
        ratio(&row.memory_bytes),
        row.idle_share * 100.0,
        row.disturbance * 100.0,
    )
}

fn ratio(figure: &Figure) -> String {
    figure.ratio.map_or_else(|| format!("{:>5}", "-"), |ratio| format!("{ratio:>5.2}"))
}

/// Green where a request costs no more than in the baseline.
fn painted(cpu: &Figure, paint: bool) -> String {
    let text = ratio(cpu);
    match cpu.ratio {
        Some(ratio) if paint => {
            format!("\x1b[{}m{text}\x1b[0m", if ratio <= 1.0 { 32 } else { 31 })
        }
        _ => text,
    }
}

//! wrk: how it is asked, and what it answers through our script.

use std::fs;

use serde::Deserialize;

use super::super::Result;
use super::{Load, Run};

const SCRIPT: &str = include_str!("cycle.lua");

/// Writes its script and the list of requests, and says how to start it.
pub(super) fn arguments(run: &Run<'_>) -> Result<Vec<String>> {
    let script = run.directory.join("cycle.lua");
    let list = run.directory.join("requests.tsv");
    let lines: Vec<String> = run
        .requests
        .iter()
        .map(|request| {
            let cookie = request.cookie.as_deref().unwrap_or_default();
            format!("{}\t{}\t{cookie}\n", request.host, request.path)
        })
        .collect();
    fs::write(&script, SCRIPT)?;
    fs::write(&list, lines.concat())?;
    Ok(vec![
        "--threads=1".to_owned(),
        format!("--connections={}", run.connections),
        format!("--duration={}s", run.seconds),
        format!("--script={}", script.display()),
        format!("http://{}/", run.address),
        "--".to_owned(),
        list.display().to_string(),
    ])
}

/// The line that the script prints at the end.
#[derive(Deserialize)]
struct Outcome {
    requests: u64,
    microseconds: u32,
    p50: f64,
    p99: f64,
    status: u64,
    connect: u64,
    read: u64,
    write: u64,
    timeout: u64,
}

/// Finds the script's line in what wrk printed.
pub(super) fn parse(printed: &str) -> Option<Load> {
    let line = printed.lines().find_map(|line| line.strip_prefix("outcome "))?;
    let Outcome { requests, microseconds, p50, p99, status, connect, read, write, timeout } =
        serde_json::from_str(line).ok()?;
    Some(Load {
        requests: requests.saturating_sub(status),
        seconds: f64::from(microseconds) / 1e6,
        p50_us: p50,
        p99_us: p99,
        errors: status + connect + read + write + timeout,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRINTED: &str = "Running 5s test @ http://127.0.0.1:1/\n  1 threads and 64 connections\n\
        Requests/sec:  50000.00\noutcome {\"requests\":250010,\"microseconds\":5000123,\"p50\":1210.0,\"p99\":2900.0,\
        \"status\":10,\"connect\":0,\"read\":1,\"write\":0,\"timeout\":2}\n";

    #[test]
    fn the_outcome_is_found_among_what_wrk_prints() {
        let expected = Load { requests: 250_000, seconds: 5.000_123, p50_us: 1210.0, p99_us: 2900.0, errors: 13 };
        assert_eq!(parse(PRINTED), Some(expected));
    }

    #[test]
    fn no_outcome_is_none() {
        assert_eq!(parse("unable to connect to 127.0.0.1:1 Connection refused\n"), None);
        assert_eq!(parse("outcome {\"requests\":1}\n"), None);
    }
}

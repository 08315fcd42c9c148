//! h2load: how it is asked, and what its summary and its log say.

use std::fs;

use super::super::Result;
use super::super::options::Protocol;
use super::{Load, Run};

/// Its log of every request, in the run's directory: the only source of percentiles.
pub(super) const LOG: &str = "h2load.log";

/// Writes the list of addresses, and says how to start it.
pub(super) fn arguments(run: &Run<'_>) -> Result<Vec<String>> {
    let first = run.requests.first().ok_or("no request to send")?;
    let list = run.directory.join("addresses.txt");
    let log = run.directory.join(LOG);
    let addresses: Vec<String> = run
        .requests
        .iter()
        .filter(|request| request.host == first.host)
        .map(|request| format!("http://{}{}\n", run.address, request.path))
        .collect();
    fs::write(&list, addresses.concat())?;
    // It appends to a log that exists.
    let _absent = fs::remove_file(&log);
    let mut arguments = vec![
        "--threads=1".to_owned(),
        format!("--clients={}", run.connections),
        format!("--duration={}", run.seconds),
        format!("--input-file={}", list.display()),
        format!("--log-file={}", log.display()),
    ];
    match run.protocol {
        Protocol::H1 => {
            arguments.extend(["--h1".to_owned(), format!("--header=:host: {}", first.host)]);
        }
        Protocol::H2 => arguments.extend([
            format!("--max-concurrent-streams={}", run.streams),
            format!("--header=:authority: {}", first.host),
        ]),
    }
    if let Some(cookie) = &first.cookie {
        arguments.push(format!("--header=cookie: {cookie}"));
    }
    Ok(arguments)
}

/// Joins the summary with the log's latencies.
pub(super) fn parse(printed: &str, log: &str) -> Option<Load> {
    let mut latencies: Vec<u32> = log.lines().filter_map(latency_us).collect();
    latencies.sort_unstable();
    let starting = |prefix: &str| printed.lines().find_map(|line| line.strip_prefix(prefix));
    let requests = starting("requests: ")?;
    let answered = count(starting("status codes: ")?, "2xx")?;
    let done = count(requests, "done")?;
    let unfinished = count(requests, "timeout")? + count(requests, "errored")?;
    let seconds = starting("finished in ")?.split_once("s,")?.0;
    Some(Load {
        requests: answered,
        seconds: seconds.parse().ok()?,
        p50_us: quantile(&latencies, 50)?,
        p99_us: quantile(&latencies, 99)?,
        errors: done.saturating_sub(answered) + unfinished,
    })
}

/// The number before a word in `3 total, 2 done`.
fn count(list: &str, word: &str) -> Option<u64> {
    let item = list.split(", ").find(|item| item.ends_with(word))?;
    item.strip_suffix(word)?.trim().parse().ok()
}

/// The third column of the log; the second is the status.
fn latency_us(line: &str) -> Option<u32> {
    line.split('\t').nth(2)?.parse().ok()
}

fn quantile(sorted: &[u32], percent: usize) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    sorted.get(last * percent / 100).copied().map(f64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(requests: &str, codes: &str) -> String {
        format!(
            "starting benchmark...\nprogress: 100% of clients started\nApplication protocol: h2c\n\n\
             finished in 2.00s, 131500.00 req/s, 9.15MB/s\nrequests: {requests}\nstatus codes: {codes}\n\
             time for request:       39us      3.97ms       194us       133us    88.74%\n"
        )
    }

    #[test]
    fn the_summary_counts_and_the_log_times() {
        let printed = printed(
            "263000 total, 263040 started, 263000 done, 263000 succeeded, 0 failed, 0 errored, 0 timeout",
            "263000 2xx, 0 3xx, 0 4xx, 0 5xx",
        );
        let log: Vec<String> = (1..=101).rev().map(|us| format!("1795439408289450\t200\t{us}\n")).collect();
        let expected = Load { requests: 263_000, seconds: 2.0, p50_us: 51.0, p99_us: 100.0, errors: 0 };
        assert_eq!(parse(&printed, &log.concat()), Some(expected));
    }

    #[test]
    fn every_other_end_of_a_request_is_an_error() {
        let printed = printed(
            "100 total, 104 started, 100 done, 97 succeeded, 3 failed, 1 errored, 2 timeout",
            "90 2xx, 7 3xx, 0 4xx, 0 5xx",
        );
        let load = parse(&printed, "1\t200\t5\n").unwrap();
        assert_eq!((load.requests, load.errors), (90, 13));
    }

    #[test]
    fn a_run_without_answers_is_none() {
        assert_eq!(parse("starting benchmark...\n", ""), None);
    }
}

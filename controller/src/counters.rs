//! PURE. What one proxy told, by service: from the samples of a scrape to the counters that the engine compares.

use std::collections::{BTreeMap, BTreeSet};

use tidegate_config::Name;

use crate::engine::{ArmCounters, ArmRow, ServiceCounters};
use crate::evidence::latency::{BUCKETS, EDGES, EDGES_SECONDS};
use crate::exposition::{ExpositionError, Sample, samples};

/// One scrape of one proxy.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Reading {
    /// When its process started, in seconds since the Unix epoch.
    pub started: f64,
    /// The generation it has in force; `None` before its first.
    pub generation: Option<u64>,
    /// What it counted for each service.
    pub services: BTreeMap<Name, ServiceReading>,
}

/// One service in one scrape.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ServiceReading {
    /// The epoch it has in force; `None` before its first.
    pub epoch: Option<u64>,
    /// The evidence: a row per version and epoch.
    pub counters: ServiceCounters,
    /// All requests of a version, inside an epoch or not.
    pub totals: BTreeMap<Name, Total>,
    /// Its endpoints.
    pub endpoints: BTreeMap<Name, EndpointCount>,
    /// The versions that the proxy has taken out of service by itself, with the epoch in which it did.
    pub tripped: BTreeSet<(Name, u64)>,
}

/// Requests and failures of one version since the process started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Total {
    /// Requests.
    pub requests: u64,
    /// Failures, of any cause.
    pub failures: u64,
}

/// The endpoints of one version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EndpointCount {
    /// Take requests.
    pub admitted: u32,
    /// Were taken out for their failures.
    pub ejected: u32,
    /// Cannot be connected to.
    pub unreachable: u32,
}

impl EndpointCount {
    fn take(&mut self, sample: &Sample<'_>, count: u64) -> Result<(), &'static str> {
        let place = match sample.label("state") {
            Some("admitted") => &mut self.admitted,
            Some("ejected") => &mut self.ejected,
            Some("unreachable") => &mut self.unreachable,
            _ => return Err("a state other than admitted, ejected and unreachable"),
        };
        *place = u32::try_from(count).map_err(|_| "too many endpoints")?;
        Ok(())
    }
}

/// Why an answer is not the metrics of a proxy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CountersError {
    /// It is not of the text format.
    #[error("not of the text format")]
    Format(#[from] ExpositionError),
    /// A sample of ours lacks a label, or has a value it cannot have.
    #[error("{metric}: {wrong}")]
    Sample {
        /// The metric.
        metric: String,
        /// What is wrong with it.
        wrong: &'static str,
    },
    /// There is no `process_start_time_seconds`: without it a restart could not be told from a reset.
    #[error("no process_start_time_seconds; is this the metrics address of a Tidegate proxy?")]
    NoStart,
}

/// Reads the metrics of one proxy. Metrics that are not evidence are passed over.
pub fn read(text: &str) -> Result<Reading, CountersError> {
    let mut reading = Reading::default();
    let mut rows: BTreeMap<(Name, Name, u64), Row> = BTreeMap::new();
    let mut started = None;
    for sample in samples(text) {
        let sample = sample?;
        let wrong = |wrong| CountersError::Sample { metric: sample.name.to_owned(), wrong };
        match sample.name {
            "process_start_time_seconds" => started = Some(sample.value).filter(|value| value.is_finite()),
            "tidegate_generation" => reading.generation = Some(count(&sample).map_err(wrong)?).filter(|it| *it > 0),
            "tidegate_epoch" => {
                let service = name_in(&sample, "service").ok_or_else(|| wrong("no service that is a name"))?;
                let epoch = count(&sample).map_err(wrong)?;
                reading.services.entry(service).or_default().epoch = Some(epoch).filter(|it| *it > 0);
            }
            name => {
                if let Some(family) = Family::of(name) {
                    take(family, &sample, &mut reading.services, &mut rows).map_err(wrong)?;
                }
            }
        }
    }
    reading.started = started.ok_or(CountersError::NoStart)?;
    for ((service, version, epoch), row) in rows {
        let wrong = |wrong| CountersError::Sample { metric: "tidegate_first_response_seconds_bucket".into(), wrong };
        let counters = row.finish().map_err(wrong)?;
        let service = reading.services.entry(service).or_default();
        service.counters.rows.push(ArmRow { version, epoch, counters });
    }
    Ok(reading)
}

/// The families that are read.
#[derive(Clone, Copy)]
enum Family {
    Requests,
    Failures,
    Visitors,
    Newcomers,
    Exposed,
    Failed,
    Converted,
    Closed,
    FirstLatency,
    Endpoints,
    Tripped,
}

impl Family {
    fn of(name: &str) -> Option<Self> {
        Some(match name.strip_prefix("tidegate_")? {
            "requests_total" => Self::Requests,
            "failures_total" => Self::Failures,
            "visitors_total" => Self::Visitors,
            "visitors_new_total" => Self::Newcomers,
            "visitors_exposed_total" => Self::Exposed,
            "visitors_failed_total" => Self::Failed,
            "visitors_converted_total" => Self::Converted,
            "visitors_closed_total" => Self::Closed,
            "first_response_seconds_bucket" => Self::FirstLatency,
            "endpoints" => Self::Endpoints,
            "tripped" => Self::Tripped,
            _ => return None,
        })
    }
}

/// The counters of one version in one epoch, while they come in.
#[derive(Default)]
struct Row {
    counters: ArmCounters,
    /// Cumulative counts at the edges that were told, by their index.
    latency: BTreeMap<usize, u64>,
}

impl Row {
    fn finish(self) -> Result<ArmCounters, &'static str> {
        let Self { mut counters, latency } = self;
        if !latency.is_empty() {
            counters.first_latency = vec![0; BUCKETS];
        }
        let mut below = 0;
        for (index, cumulative) in latency {
            let inside: Option<u64> = cumulative.checked_sub(below);
            counters.first_latency[index] = inside.ok_or("a bucket holds fewer than the one below it")?;
            below = cumulative;
        }
        Ok(counters)
    }
}

fn name_in(sample: &Sample<'_>, label: &str) -> Option<Name> {
    sample.label(label)?.parse().ok()
}

fn take(
    family: Family,
    sample: &Sample<'_>,
    services: &mut BTreeMap<Name, ServiceReading>,
    rows: &mut BTreeMap<(Name, Name, u64), Row>,
) -> Result<(), &'static str> {
    let service = name_in(sample, "service").ok_or("no service that is a name")?;
    let version = name_in(sample, "version").ok_or("no version that is a name")?;
    let count = count(sample)?;
    let told = services.entry(service.clone()).or_default();
    match family {
        Family::Requests => add(&mut told.totals.entry(version.clone()).or_default().requests, count),
        Family::Failures => add(&mut told.totals.entry(version.clone()).or_default().failures, count),
        Family::Endpoints => return told.endpoints.entry(version).or_default().take(sample, count),
        Family::Tripped => {
            let epoch = sample.label("epoch").and_then(|epoch| epoch.parse().ok()).ok_or("no epoch")?;
            told.tripped.extend((count > 0).then_some((version, epoch)));
            return Ok(());
        }
        _ => {}
    }
    // `none` (requests outside any epoch) and `retired` (epochs folded together) are no evidence.
    let Some(epoch) = sample.label("epoch").ok_or("no epoch")?.parse().ok() else { return Ok(()) };
    let row = rows.entry((service, version, epoch)).or_default();
    let ArmCounters {
        requests,
        failures,
        visitors,
        newcomers,
        exposed,
        failed,
        converted,
        closed_converted,
        closed_unconverted,
        first_latency: _,
    } = &mut row.counters;
    match family {
        Family::Requests => add(requests, count),
        Family::Failures => add(failures, count),
        Family::Visitors => add(visitors, count),
        Family::Newcomers => add(newcomers, count),
        Family::Exposed => add(exposed, count),
        Family::Failed => add(failed, count),
        Family::Converted => {
            if let Ok(at) = sample.label("at").ok_or("no epoch of conversion (at)")?.parse() {
                converted.push((at, count));
            }
        }
        Family::Closed => match sample.label("outcome") {
            Some("converted") => add(closed_converted, count),
            Some("unconverted") => add(closed_unconverted, count),
            _ => return Err("an outcome other than converted and unconverted"),
        },
        Family::FirstLatency => {
            row.latency.insert(bucket(sample.label("le").ok_or("no le")?)?, count);
        }
        Family::Endpoints | Family::Tripped => {}
    }
    Ok(())
}

fn add(sum: &mut u64, count: u64) {
    *sum = sum.saturating_add(count);
}

fn count(sample: &Sample<'_>) -> Result<u64, &'static str> {
    sample.count().ok_or("a value that is no count")
}

/// The bucket whose upper edge is `le`, which may be rounded.
fn bucket(le: &str) -> Result<usize, &'static str> {
    let edge: f64 = le.parse().map_err(|_| "an le that is no number")?;
    if edge == f64::INFINITY {
        return Ok(EDGES);
    }
    let near = |known: &f64| (edge / known - 1.0).abs() < 0.01;
    EDGES_SECONDS.iter().position(near).ok_or("an le that is none of the agreed edges")
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: &str = "process_start_time_seconds 1.5\n";

    fn name(text: &str) -> Name {
        text.parse().unwrap()
    }

    #[test]
    fn sorts_the_samples_of_a_proxy() {
        let text = format!(
            "{START}tidegate_generation 7\n\
             tidegate_requests_total{{service=\"shop\",version=\"v2\",epoch=\"3\"}} 20\n\
             tidegate_requests_total{{service=\"shop\",version=\"v2\",epoch=\"none\"}} 5\n\
             tidegate_requests_total{{service=\"shop\",version=\"v2\",epoch=\"retired\"}} 100\n\
             tidegate_failures_total{{service=\"shop\",version=\"v2\",epoch=\"3\",cause=\"status\"}} 1\n\
             tidegate_failures_total{{service=\"shop\",version=\"v2\",epoch=\"3\",cause=\"reset\"}} 2\n\
             tidegate_visitors_total{{service=\"shop\",version=\"v2\",epoch=\"3\"}} 9\n\
             tidegate_visitors_new_total{{service=\"shop\",version=\"v2\",epoch=\"3\"}} 8\n\
             tidegate_visitors_exposed_total{{service=\"shop\",version=\"v2\",epoch=\"3\"}} 10\n\
             tidegate_visitors_failed_total{{service=\"shop\",version=\"v2\",epoch=\"3\"}} 4\n\
             tidegate_visitors_converted_total{{service=\"shop\",version=\"v2\",epoch=\"3\",at=\"3\"}} 6\n\
             tidegate_visitors_converted_total{{service=\"shop\",version=\"v2\",epoch=\"3\",at=\"4\"}} 2\n\
             tidegate_visitors_closed_total{{service=\"shop\",version=\"v2\",epoch=\"3\",outcome=\"converted\"}} 2\n\
             tidegate_visitors_closed_total{{service=\"shop\",version=\"v2\",epoch=\"3\",outcome=\"unconverted\"}} 1\n\
             tidegate_first_response_seconds_bucket{{service=\"shop\",version=\"v2\",epoch=\"3\",le=\"0.001\"}} 3\n\
             tidegate_first_response_seconds_bucket{{service=\"shop\",version=\"v2\",epoch=\"3\",le=\"0.00119\"}} 7\n\
             tidegate_first_response_seconds_bucket{{service=\"shop\",version=\"v2\",epoch=\"3\",le=\"+Inf\"}} 9\n\
             tidegate_first_response_seconds_count{{service=\"shop\",version=\"v2\",epoch=\"3\"}} 9\n\
             tidegate_endpoints{{service=\"shop\",version=\"v2\",state=\"admitted\"}} 2\n\
             tidegate_endpoints{{service=\"shop\",version=\"v2\",state=\"ejected\"}} 1\n\
             tidegate_endpoints{{service=\"shop\",version=\"v2\",state=\"unreachable\"}} 3\n\
             tidegate_tripped{{service=\"shop\",version=\"v2\",epoch=\"3\"}} 1\n\
             tidegate_tripped{{service=\"shop\",version=\"v1\",epoch=\"3\"}} 0\n\
             tidegate_epoch{{service=\"shop\"}} 4\n\
             other{{service=\"shop\"}} NaN\n"
        );
        let reading = read(&text).unwrap();
        assert_eq!((reading.started.to_bits(), reading.generation), (1.5f64.to_bits(), Some(7)));
        let shop = &reading.services[&name("shop")];
        assert_eq!(shop.epoch, Some(4), "also before anything is counted in it");
        assert_eq!(shop.totals[&name("v2")], Total { requests: 125, failures: 3 });
        assert_eq!(shop.endpoints[&name("v2")], EndpointCount { admitted: 2, ejected: 1, unreachable: 3 });
        assert_eq!(shop.tripped, BTreeSet::from([(name("v2"), 3)]));
        let mut first_latency = vec![0; BUCKETS];
        (first_latency[0], first_latency[1], first_latency[EDGES]) = (3, 4, 2);
        let counters = ArmCounters {
            requests: 20,
            failures: 3,
            visitors: 9,
            newcomers: 8,
            exposed: 10,
            failed: 4,
            converted: vec![(3, 6), (4, 2)],
            closed_converted: 2,
            closed_unconverted: 1,
            first_latency,
        };
        assert_eq!(shop.counters.rows, [ArmRow { version: name("v2"), epoch: 3, counters }]);
    }

    #[test]
    fn every_edge_finds_its_bucket() {
        for (index, edge) in EDGES_SECONDS.iter().enumerate() {
            assert_eq!(bucket(&edge.to_string()), Ok(index));
            assert_eq!(bucket(&format!("{edge:.6}")), Ok(index), "rounded");
        }
        assert_eq!(bucket("Inf"), Ok(EDGES));
        assert!(bucket("0.005").is_err() && bucket("").is_err() && bucket("NaN").is_err());
    }

    #[test]
    fn refuses_what_is_no_count_of_ours() {
        let labels = "service=\"shop\",version=\"v1\",epoch=\"1\"";
        let bucket = "tidegate_first_response_seconds_bucket";
        for (text, says) in [
            ("up 1\n".to_owned(), "no process_start_time_seconds"),
            (format!("{START}tidegate_requests_total{{{labels}}} -1"), "no count"),
            (format!("{START}tidegate_requests_total{{version=\"v1\"}} 1"), "no service"),
            (format!("{START}tidegate_requests_total{{service=\"a b\",version=\"v1\"}} 1"), "no service"),
            (format!("{START}tidegate_visitors_total{{service=\"shop\",version=\"v1\"}} 1"), "no epoch"),
            (format!("{START}tidegate_visitors_converted_total{{{labels}}} 1"), "no epoch of conversion"),
            (format!("{START}tidegate_visitors_closed_total{{{labels},outcome=\"lost\"}} 1"), "an outcome"),
            (format!("{START}{bucket}{{{labels},le=\"0.001\"}} 2\n{bucket}{{{labels},le=\"+Inf\"}} 1"), "fewer"),
            (format!("{START}nonsense"), "text format"),
        ] {
            let error = read(&text).unwrap_err().to_string();
            assert!(error.contains(says), "{text}: {error}");
        }
    }
}

//! Every metric of the proxy: name, unit and labels. All of them are built when somebody asks, from counters that are
//! kept elsewhere.
//!
//! Series of a service carry `service`, `version` and `epoch`. Epochs are numbers, or `none` for requests outside every
//! epoch (a tester chose the version), or `retired` for epochs past the limit; neither of these is evidence.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, MetricEncoder, NoLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};

use crate::clock::now;
use crate::histogram::{BUCKETS, EDGES_SECONDS};
use crate::parked::Parked;
use crate::refused::{Refusal, Refused};
use crate::registry::{self, Closed, Evidence, Service};
use crate::server::Proxy;
use crate::shard::{Cause, Requests};
use crate::snapshot::Role;

/// The `Content-Type` of [`Metrics::render`].
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Renders the metrics of a proxy.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
}

#[derive(Debug)]
struct Export {
    proxy: Arc<Proxy>,
    /// Seconds since the Unix epoch at which this process began to count.
    started: f64,
}

impl Metrics {
    /// The metrics of `proxy`, which began at `started`, in seconds since the Unix epoch.
    pub fn new(proxy: Arc<Proxy>, started: f64) -> Self {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Export { proxy, started }));
        Self { registry }
    }

    /// The text that a scrape gets.
    pub fn render(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

impl Collector for Export {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let encoder = &mut encoder;
        let current = self.proxy.state().current().load_full();
        gauge(encoder, "process_start_time", "When this process began", Some(&Unit::Seconds), self.started)?;
        let generation = i64::try_from(current.generation).unwrap_or(i64::MAX);
        let help = "The generation of the configuration in force";
        encoder.encode_descriptor("tidegate_generation", help, None, MetricType::Gauge)?.encode_gauge(&generation)?;
        let help = "Evidence events lost to a full queue";
        let dropped = self.proxy.dropped_events();
        let mut family = encoder.encode_descriptor("tidegate_evidence_dropped", help, None, MetricType::Counter)?;
        family.encode_counter::<NoLabelSet, _, u64>(&dropped, None)?;
        let help = "Lines of the access log lost to a full queue or a closed output";
        let dropped = self.proxy.dropped_lines();
        let mut family = encoder.encode_descriptor("tidegate_access_log_dropped", help, None, MetricType::Counter)?;
        family.encode_counter::<NoLabelSet, _, u64>(&dropped, None)?;
        refused(encoder, self.proxy.state().refused())?;
        parked(encoder, self.proxy.state().parked())?;
        Self::endpoints(encoder, &current)?;

        let registry = self.proxy.state().registry();
        let help = "The part of the visitors that is counted";
        gauge(encoder, "tidegate_visitors_counted_ratio", help, None, 1.0 - registry.thinned)?;
        let remembered = registry.visitors_remembered;
        let help = "Visitors remembered one by one";
        let remembered = i64::try_from(remembered).unwrap_or(i64::MAX);
        encoder
            .encode_descriptor("tidegate_visitors_remembered", help, None, MetricType::Gauge)?
            .encode_gauge(&remembered)?;
        let services: Vec<&Service> = registry.services.iter().flatten().collect();
        requests(encoder, &services)?;
        visitors(encoder, &services)
    }
}

impl Export {
    fn endpoints(encoder: &mut DescriptorEncoder, current: &crate::snapshot::Snapshot) -> fmt::Result {
        let help = "Endpoints by whether requests go there";
        let mut family = encoder.encode_descriptor("tidegate_endpoints", help, None, MetricType::Gauge)?;
        let now = now();
        for service in &current.services {
            for arm in &service.arms {
                let unreachable = arm.endpoints.iter().filter(|endpoint| endpoint.is_unreachable()).count();
                let admitted = arm.endpoints.iter().filter(|it| !it.is_unreachable() && it.is_admitted(now)).count();
                let ejected = arm.endpoints.len() - unreachable - admitted;
                for (state, count) in [("admitted", admitted), ("ejected", ejected), ("unreachable", unreachable)] {
                    let labels =
                        [("service", service.name.as_str()), ("version", arm.version.as_str()), ("state", state)];
                    family.encode_family(&labels)?.encode_gauge(&i64::try_from(count).unwrap_or(i64::MAX))?;
                }
            }
        }
        let help = "Whether this proxy has taken a failing canary out of service";
        let mut family = encoder.encode_descriptor("tidegate_tripped", help, None, MetricType::Gauge)?;
        for service in current.services.iter().filter(|service| service.rollout.is_some()) {
            let epoch = service.epoch.to_string();
            for (at, canary) in service.arms.iter().enumerate().filter(|(_, arm)| arm.role == Role::Canary) {
                let names = [("service", service.name.as_str()), ("version", canary.version.as_str())];
                let labels = [names[0], names[1], ("epoch", epoch.as_str())];
                family.encode_family(&labels)?.encode_gauge(&i64::from(service.is_tripped(at)))?;
            }
        }
        let help = "The epoch in force, also before anybody has asked for the service";
        let mut family = encoder.encode_descriptor("tidegate_epoch", help, None, MetricType::Gauge)?;
        for service in current.services.iter().filter(|service| service.epoch > 0) {
            let epoch = i64::try_from(service.epoch).unwrap_or(i64::MAX);
            family.encode_family(&[("service", service.name.as_str())])?.encode_gauge(&epoch)?;
        }
        let help = "The part of the visitors that a version takes";
        let mut family = encoder.encode_descriptor("tidegate_share_ratio", help, None, MetricType::Gauge)?;
        for service in &current.services {
            for arm in &service.arms {
                let share = arm.share.fraction();
                let labels = [("service", service.name.as_str()), ("version", arm.version.as_str())];
                family.encode_family(&labels)?.encode_gauge(&share)?;
            }
        }
        Ok(())
    }
}

fn gauge(encoder: &mut DescriptorEncoder, name: &str, help: &str, unit: Option<&Unit>, value: f64) -> fmt::Result {
    encoder.encode_descriptor(name, help, unit, MetricType::Gauge)?.encode_gauge(&value)
}

/// A counter family under way. Series at zero are left out: they appear when something is counted.
struct Counter<'a>(MetricEncoder<'a>);

impl Counter<'_> {
    fn add(&mut self, labels: &impl EncodeLabelSet, value: u64) -> fmt::Result {
        if value == 0 {
            return Ok(());
        }
        self.0.encode_family(labels)?.encode_counter::<NoLabelSet, _, u64>(&value, None)
    }
}

fn counter(
    encoder: &mut DescriptorEncoder,
    name: &str,
    help: &str,
    each: impl FnOnce(&mut Counter<'_>) -> fmt::Result,
) -> fmt::Result {
    each(&mut Counter(encoder.encode_descriptor(name, help, None, MetricType::Counter)?))
}

fn refused(encoder: &mut DescriptorEncoder, refused: &Refused) -> fmt::Result {
    let help = "Requests refused before a route was found, by reason";
    counter(encoder, "tidegate_refused_requests", help, |family| {
        Refusal::ALL.iter().try_for_each(|refusal| family.add(&[("reason", refusal.label())], refused.sum(*refusal)))
    })
}

fn parked(encoder: &mut DescriptorEncoder, parked: &Parked) -> fmt::Result {
    let help = "Requests that wait for somebody to answer them";
    let waiting = i64::try_from(parked.waiting()).unwrap_or(i64::MAX);
    encoder
        .encode_descriptor("tidegate_parked_requests_waiting", help, None, MetricType::Gauge)?
        .encode_gauge(&waiting)?;
    let help = "Requests that had to wait for somebody to answer them";
    let mut family = encoder.encode_descriptor("tidegate_parked_requests", help, None, MetricType::Counter)?;
    family.encode_counter::<NoLabelSet, _, u64>(&parked.all(), None)
}

/// The three labels of an evidence series.
type Labels<'a> = [(&'static str, &'a str); 3];

fn labels<'a>(service: &'a Service, version: &'a str, epoch: &'a str) -> Labels<'a> {
    [("service", service.name.as_str()), ("version", version), ("epoch", epoch)]
}

/// Calls `each` with the labels and request counters of every version and epoch; the flag says whether its histogram is
/// exported: of the current epoch and the one before.
fn each_cell(services: &[&Service], mut each: impl FnMut(Labels<'_>, &Requests, bool) -> fmt::Result) -> fmt::Result {
    for service in services {
        let recent = service.epochs.len().saturating_sub(2);
        for (index, epoch) in service.epochs.iter().enumerate() {
            let number = epoch.number.to_string();
            for cell in &epoch.cells {
                each(labels(service, cell.version.as_str(), &number), &cell.requests(), index >= recent)?;
            }
        }
        for (version, shards) in &service.outside {
            each(labels(service, version.as_str(), "none"), &shards.sum(), false)?;
        }
        for (version, sum) in service.retired() {
            each(labels(service, version.as_str(), "retired"), &sum, false)?;
        }
    }
    Ok(())
}

fn requests(encoder: &mut DescriptorEncoder, services: &[&Service]) -> fmt::Result {
    counter(encoder, "tidegate_requests", "Requests answered or given up", |family| {
        each_cell(services, |labels, sum, _| family.add(&labels, sum.count))
    })?;
    counter(encoder, "tidegate_failures", "Requests that their version failed, by cause", |family| {
        each_cell(services, |[service, version, epoch], sum, _| {
            for (cause, count) in Cause::ALL.iter().zip(sum.failures) {
                family.add(&[service, version, epoch, ("cause", cause.label())], count)?;
            }
            Ok(())
        })
    })?;
    let help = "Time from the head of a request to the head of its response";
    let mut family =
        encoder.encode_descriptor("tidegate_response", help, Some(&Unit::Seconds), MetricType::Histogram)?;
    each_cell(services, |labels, sum, recent| {
        if recent && sum.count > 0 { histogram(&mut family, &labels, &sum.latency, sum.seconds) } else { Ok(()) }
    })
}

fn each_evidence(
    services: &[&Service],
    mut each: impl FnMut(Labels<'_>, &Evidence, bool) -> fmt::Result,
) -> fmt::Result {
    for service in services {
        let recent = service.epochs.len().saturating_sub(2);
        for (index, registry::Epoch { number, cells }) in service.epochs.iter().enumerate() {
            let number = number.to_string();
            for cell in cells {
                each(labels(service, cell.version.as_str(), &number), &cell.evidence, index >= recent)?;
            }
        }
    }
    Ok(())
}

fn visitors(encoder: &mut DescriptorEncoder, services: &[&Service]) -> fmt::Result {
    counter(encoder, "tidegate_visitors", "Visitors first seen by the rollout", |family| {
        each_evidence(services, |labels, evidence, _| family.add(&labels, evidence.visitors))
    })?;
    let help = "Visitors first seen by the rollout whose cookie is not older than it";
    counter(encoder, "tidegate_visitors_new", help, |family| {
        each_evidence(services, |labels, evidence, _| family.add(&labels, evidence.newcomers))
    })?;
    counter(encoder, "tidegate_visitors_exposed", "Visitors who met the version for the first time", |family| {
        each_evidence(services, |labels, evidence, _| family.add(&labels, evidence.exposed))
    })?;
    counter(encoder, "tidegate_visitors_failed", "Visitors by their first failure in the rollout", |family| {
        each_evidence(services, |labels, evidence, _| family.add(&labels, evidence.failed))
    })?;
    let help = "Visitors by the epoch in which they were first seen and the one in which they converted";
    counter(encoder, "tidegate_visitors_converted", help, |family| {
        each_evidence(services, |[service, version, epoch], evidence, _| {
            for (at, count) in &evidence.converted {
                family.add(&[service, version, epoch, ("at", &at.to_string())], *count)?;
            }
            Ok(())
        })
    })?;
    let help = "New visitors whose conversion window has closed, by whether they converted in it";
    counter(encoder, "tidegate_visitors_closed", help, |family| {
        each_evidence(services, |[service, version, epoch], evidence, _| {
            let Closed { converted, unconverted } = evidence.closed;
            for (outcome, count) in [("converted", converted), ("unconverted", unconverted)] {
                family.add(&[service, version, epoch, ("outcome", outcome)], count)?;
            }
            Ok(())
        })
    })?;
    let help = "Time to the head of the response of each visitor's first request";
    let unit = Some(&Unit::Seconds);
    let mut family = encoder.encode_descriptor("tidegate_first_response", help, unit, MetricType::Histogram)?;
    each_evidence(services, |labels, evidence, recent| {
        if recent && evidence.visitors > 0 {
            histogram(&mut family, &labels, &evidence.first_latency, evidence.first_seconds)
        } else {
            Ok(())
        }
    })
}

fn histogram(family: &mut MetricEncoder<'_>, labels: &Labels<'_>, counts: &[u64; BUCKETS], sum: f64) -> fmt::Result {
    let edges = EDGES_SECONDS.iter().copied().chain([f64::INFINITY]);
    let buckets: Vec<(f64, u64)> = edges.zip(counts.iter().copied()).collect();
    family.encode_family(labels)?.encode_histogram::<NoLabelSet>(sum, counts.iter().sum(), &buckets, None)
}

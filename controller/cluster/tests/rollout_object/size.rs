//! How much is remembered of a Service with many proxies.

use tidegate_cluster::rollout_object::{Memory, RolloutStatus};
use tidegate_config::policy::{Policy, Strategy};
use tidegate_config::{Name, RolloutId, Share, Span, limits};
use tidegate_controller::engine::{
    ArmCounters, ArmRow, EpochShares, InstanceScrape, Observation, Scrapes, ServiceCounters, Start, Status, Timestamp,
    decide,
};
use tidegate_controller::service_record::ServiceRecord;

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

/// What a proxy has counted for a version in an epoch, with latencies over a dozen buckets.
fn counters(proxy: u64, epoch: u64) -> ArmCounters {
    let first_latency = (0..70).map(|bucket| if (20..32).contains(&bucket) { proxy * 37 + bucket * epoch } else { 0 });
    ArmCounters {
        requests: 1_000_000 + proxy,
        visitors: 200_000 + proxy * epoch,
        newcomers: 100_000 + proxy,
        exposed: 210_000 + proxy,
        converted: vec![(epoch, 5_000 + proxy)],
        first_latency: first_latency.collect(),
        ..ArmCounters::default()
    }
}

/// What is remembered when a version and its rivals have gone through ten epochs before so many proxies.
fn remembered(proxies: u64, canaries: &[&str]) -> Memory {
    let start = 1_790_000_000_000_u64;
    let mut all = Vec::new();
    for canary in canaries {
        let rivals: Vec<Name> = canaries.iter().filter(|rival| *rival != canary).map(|rival| name(rival)).collect();
        let start_with = Start {
            rollout: "00000000000000ff".parse::<RolloutId>().unwrap(),
            service: name("shop.web"),
            stable: name("7d9fb8c6f4"),
            canary: name(canary),
            rivals: rivals.clone(),
            revision: None,
            policy: Policy::of(Strategy::Canary),
            request_timeout: Span::from_secs(15),
            counts_per_visitor: 1,
            history: None,
        };
        let mut status = Status::start(start_with, Timestamp::from_millis(start));
        let tenth = Share::from_ppm(100_000).unwrap();
        let epochs: Vec<EpochShares> = (1..=10)
            .map(|epoch| EpochShares {
                rivals: rivals.iter().map(|rival| (rival.clone(), tenth)).collect(),
                ..EpochShares::of_two(start + epoch, tenth, Share::from_ppm(600_000).unwrap())
            })
            .collect();
        let rows = |proxy: u64| {
            let versions = canaries.iter().copied().chain(["7d9fb8c6f4"]);
            let each = versions.flat_map(|version| {
                (1..=10).map(move |epoch| ArmRow {
                    version: name(version),
                    epoch: start + epoch,
                    counters: counters(proxy, epoch),
                })
            });
            each.collect()
        };
        let scrapes = (0..proxies).map(|proxy| InstanceScrape {
            instance: format!("10.244.{}.{}:9900", proxy / 256, proxy % 256),
            started: 1_790_000_000.25,
            counters: ServiceCounters { rows: rows(proxy) },
        });
        let first = Observation { epochs: epochs[..1].to_vec(), ..Observation::default() };
        status = decide(&status, &first, Timestamp::from_millis(start + 500)).status;
        let observation = Observation { scrapes: Scrapes::Seen(scrapes.collect()), epochs, ..Observation::default() };
        status = decide(&status, &observation, Timestamp::from_millis(start + 1_000)).status;
        all.push(status);
    }
    let mut all = all.into_iter();
    let record = ServiceRecord { rollout: all.next(), rivals: all.collect(), ..ServiceRecord::default() };
    Memory { record, ..Memory::default() }
}

#[test]
fn as_many_marks_as_are_kept_fit_and_come_back() {
    let names = ["6b5d4c9f7b", "5c6d7e8f90", "4d7e8f9a01", "3e8f9a0b12"];
    for (proxies, canaries, plain) in
        [(2, 1, true), (409, 1, false), (1_000, 1, false), (4_096, 1, false), (1_365, 2, false), (409, 4, false)]
    {
        let memory = remembered(proxies, &names[..canaries]);
        let mut status = RolloutStatus::default();
        status.remember(&memory, "me").unwrap();
        let record = status.record.as_ref().unwrap();
        assert_eq!(record.starts_with('{'), plain, "a short one stays readable: {} bytes", record.len());
        assert!(record.len() < limits::OBJECT_RECORD_BYTES_MAX / 2, "{proxies} proxies: {} bytes", record.len());
        assert_eq!(status.remembered().unwrap(), Some(memory), "{proxies} proxies");
    }
}

#[test]
fn what_was_not_compressed_by_us_is_an_error() {
    let mut status = RolloutStatus::default();
    let memory = remembered(100, &["6b5d4c9f7b"]);
    status.remember(&memory, "me").unwrap();
    let whole = status.record.clone().unwrap();
    for (record, wrong) in [
        ("zlib:%".to_owned(), "is not compressed text"),
        ("zlib:AAAA".to_owned(), "is not compressed text"),
        (whole[..whole.len() / 2].to_owned(), "is not compressed text"),
        ("zlib:eJyrrgUAAXUA+Q==".to_owned(), "missing field"),
    ] {
        status.record = Some(record);
        let error = status.remembered().unwrap_err().to_string();
        assert!(error.contains(wrong), "{error}");
    }
}

//! Several versions tried at the same time: the way through `lifecycle`, over simulated visitors that are drawn by the line
//! that proxies draw them by.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeMap;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tidegate_config::{Config, Key, Name, Service, Share, Span};
use tidegate_controller::engine::{
    ArmCounters, ArmRow, Command, Hold, InstanceScrape, Observation, Phase, Record, Refusal, Rule, Scrapes,
    ServiceCounters, Status, Timestamp, Verb, explain,
};
use tidegate_controller::lifecycle::Turn;
use tidegate_controller::publish::Layout;
use tidegate_controller::service_record::ServiceRecord;

use crate::simulator::{ONE_EACH, name};

/// How visitors of one version behave: chances to convert, and to meet a failure.
type Behaviour = (f64, f64);

struct Trial {
    service: Service,
    record: ServiceRecord,
    behaviour: BTreeMap<Name, Behaviour>,
    counters: BTreeMap<(Name, u64), ArmCounters>,
    records: Vec<Record>,
    refusal: Option<Refusal>,
    now_ms: u64,
    rng: StdRng,
}

/// A trial of `b` and `c` against `a`.
fn trial(behaviour: [Behaviour; 3], more: &str, seed: u64) -> Trial {
    let file = format!(
        "{{listeners: [{{address: '127.0.0.1:1'}}], routes: [{{service: shop}}], timeouts: {{request: 2s}}, services: {{shop: {{
         stable: a, canaries: [b, c], versions: {{a: {{endpoints: ['127.0.0.1:2']}}, b: {{endpoints: ['127.0.0.1:3']}},
         c: {{endpoints: ['127.0.0.1:4']}}}},
         rollout: {{strategy: canary, steps: [10%, 30%, 100%], soak: 10s, warmUp: 0s, scrapeInterval: 1s, maxHarm: 5%,
         latency: {{enabled: false}}, conversion: {{path: {{exact: /buy}}}}{more}}}}}}}}}"
    );
    let service = Config::parse(&file).unwrap().services.remove(&name("shop")).unwrap();
    let behaviour = ["a", "b", "c"].map(name).into_iter().zip(behaviour).collect();
    let mut trial = Trial {
        service,
        record: ServiceRecord::default(),
        behaviour,
        counters: BTreeMap::new(),
        records: Vec::new(),
        refusal: None,
        now_ms: 1_700_000_000_000,
        rng: StdRng::seed_from_u64(seed),
    };
    let shop = name("shop");
    let turn = trial.turn(&shop);
    let mut record = trial.record.clone();
    let decided = turn.follow(&mut record);
    assert!(turn.is_followed(&record));
    trial.record = record;
    trial.records.extend(decided);
    trial.publish();
    trial
}

impl Trial {
    fn turn<'a>(&'a self, name: &'a Name) -> Turn<'a> {
        let now = Timestamp::from_millis(self.now_ms);
        Turn { name, service: Some(&self.service), request_timeout: Span::from_secs(2), proxies: 1, now }
    }

    /// Shares come into force as soon as they are wanted.
    fn publish(&mut self) {
        let layout = Layout::of(&self.service, &self.record).unwrap();
        let epoch = self.record.epochs.issue(&layout.arms, layout.rollout);
        self.record.published(epoch);
    }

    fn visit(&mut self, visitors: u32) {
        let layout = Layout::of(&self.service, &self.record).unwrap();
        let epoch = self.record.epochs.current();
        let split = layout.in_epoch(epoch, Key([0; 16]));
        let line = split.line();
        for _ in 0..visitors {
            let place = self.rng.random_range(0..1_000_000);
            let arm = line.iter().find(|(_, upper)| place < *upper).unwrap().0;
            let version = &split.arms[arm].version;
            let (converts, fails) = self.behaviour[version];
            let (converts, fails) = (self.rng.random_bool(converts), self.rng.random_bool(fails));
            let counters = self.counters.entry((version.clone(), epoch)).or_default();
            for count in
                [&mut counters.requests, &mut counters.visitors, &mut counters.newcomers, &mut counters.exposed]
            {
                *count += 1;
            }
            for count in [&mut counters.failures, &mut counters.failed] {
                *count += u64::from(fails);
            }
            if counters.converted.is_empty() {
                counters.converted.push((epoch, 0));
            }
            counters.converted[0].1 += u64::from(converts);
        }
    }

    fn look(&mut self, command: Option<&Command>) {
        let rows = self.counters.iter().map(|((version, epoch), counters)| ArmRow {
            version: version.clone(),
            epoch: *epoch,
            counters: counters.clone(),
        });
        let counters = ServiceCounters { rows: rows.collect() };
        let scrapes = vec![InstanceScrape { instance: "one".to_owned(), started: 1.0, counters }];
        let scrapes = if command.is_some() { Scrapes::Skipped } else { Scrapes::Seen(scrapes) };
        let in_force = Some(self.record.epochs.current());
        let observe = |_: &Status, _: &ServiceRecord| Observation {
            scrapes: scrapes.clone(),
            in_force,
            endpoints: ONE_EACH,
            ..Observation::default()
        };
        let (shop, mut record) = (name("shop"), self.record.clone());
        let looked = self.turn(&shop).look(&mut record, command, observe);
        self.record = record;
        self.refusal = looked.as_ref().and_then(|looked| looked.refusal.clone());
        self.records.extend(looked.into_iter().flat_map(|looked| looked.decided));
        self.publish();
        // What is stored says the same.
        let stored = serde_json::to_string(&self.record).unwrap();
        assert_eq!(serde_json::from_str::<ServiceRecord>(&stored).unwrap(), self.record);
    }

    fn tick(&mut self) {
        self.visit(200);
        self.now_ms += 1_000;
        self.look(None);
        let shares: u32 = self.record.tried().map(|status| status.share.ppm()).sum();
        assert!(shares <= 1_000_000, "{shares}");
    }

    fn run(&mut self, seconds: u32) {
        for _ in 0..seconds {
            if self.record.under_way().is_none() {
                return;
            }
            self.tick();
        }
    }

    fn status(&self, version: &str) -> &Status {
        self.record.tried().find(|status| status.canary.as_str() == version).unwrap()
    }

    fn ends(&self) -> [(Phase, Rule); 2] {
        ["b", "c"].map(|version| {
            let mut own = self.records.iter().filter(|it| it.canary.as_ref().is_some_and(|it| it.as_str() == version));
            (self.status(version).phase, own.next_back().unwrap().rule)
        })
    }

    fn command(&mut self, verb: Verb, version: Option<&str>) -> Option<String> {
        self.look(Some(&Command { version: version.map(name), ..Command::new(verb, "ann".to_owned()) }));
        self.refusal.as_ref().map(ToString::to_string)
    }
}

#[test]
fn the_best_of_two_better_ones_is_promoted() {
    let mut trial = trial([(0.10, 0.001), (0.16, 0.001), (0.12, 0.001)], "", 1);
    trial.run(3_600);
    assert_eq!(
        trial.ends(),
        [(Phase::Promoted, Rule::Assurance), (Phase::Aborted, Rule::Beaten)],
        "{:#?}",
        trial.records
    );
    let status = trial.record.rollout.as_ref().unwrap();
    assert_eq!((status.canary.as_str(), status.share), ("b", Share::ALL), "whoever has won is shown first");
    assert_eq!(trial.record.stable(&trial.service).map(Name::as_str), Some("b"));
    let shop = name("shop");
    assert!(trial.turn(&shop).is_followed(&trial.record), "it does not start again from the same file");
    let said = explain(trial.status("c"), Timestamp::from_millis(trial.now_ms));
    assert!(said.contains("b converts better") && said.contains("under 5%"), "{said}");
    assert!(trial.records.iter().all(|record| record.text.starts_with("b: ") || record.text.starts_with("c: ")));
}

#[test]
fn one_that_fails_is_out_and_the_other_goes_on() {
    let mut trial = trial([(0.10, 0.001), (0.30, 0.2), (0.14, 0.001)], "", 2);
    trial.run(3_600);
    assert_eq!(trial.ends(), [(Phase::Aborted, Rule::Regression), (Phase::Promoted, Rule::Assurance)]);
    let first_out = trial.records.iter().find(|record| record.phase == Phase::Aborted).unwrap();
    assert_eq!(first_out.canary, Some(name("b")), "however well it converts");
}

#[test]
fn nobody_is_promoted_where_two_are_level() {
    let mut trial = trial([(0.10, 0.001), (0.14, 0.001), (0.14, 0.001)], ", deadline: 600s", 3);
    trial.run(500);
    assert_eq!(trial.ends().map(|(phase, _)| phase), [Phase::Progressing; 2]);
    let holds = ["b", "c"].map(|version| trial.status(version).hold.map(|held| held.reason));
    assert_eq!(holds, [Some(Hold::Rivals); 2], "both have reached the goal");
    trial.run(200);
    assert_eq!(trial.ends(), [(Phase::Undecided, Rule::Deadline); 2]);
    assert_eq!(trial.command(Verb::Promote { full: true }, Some("c")), None, "so somebody says");
    assert_eq!(trial.ends(), [(Phase::Aborted, Rule::Outdone), (Phase::Promoted, Rule::Command)]);
    let layout = Layout::of(&trial.service, &trial.record).unwrap();
    let shares: Vec<_> = layout.arms.iter().map(|arm| (arm.version.as_str(), arm.share)).collect();
    assert_eq!(shares, [("a", Share::ZERO), ("b", Share::ZERO), ("c", Share::ALL)]);
}

#[test]
fn a_deadline_can_promote_the_one_that_leads() {
    let mut trial = trial([(0.10, 0.001), (0.14, 0.001), (0.15, 0.001)], ", deadline: 200s, onDeadline: promote", 4);
    trial.run(300);
    let leads = ["b", "c"].map(|version| trial.status(version).goal().unwrap());
    let ends = trial.ends();
    let (won, lost) = if leads[0] > leads[1] { (0, 1) } else { (1, 0) };
    assert_eq!(
        (ends[won], ends[lost]),
        ((Phase::Promoted, Rule::Deadline), (Phase::Aborted, Rule::Outdone)),
        "{leads:?}"
    );
}

#[test]
fn a_wish_is_for_one_or_for_all_but_a_promotion_is_for_one() {
    let mut trial = trial([(0.10, 0.001); 3], "", 5);
    trial.run(20);
    let refused = trial.command(Verb::Promote { full: true }, None).unwrap();
    assert!(refused.contains("several versions are tried; possible: to say which: b or c"), "{refused}");
    assert!(trial.command(Verb::Abort, Some("d")).unwrap().contains("d is not tried; possible: b or c"));
    assert_eq!(trial.command(Verb::Pause, None), None);
    let phases = |trial: &Trial| ["b", "c"].map(|version| trial.status(version).phase);
    assert_eq!(phases(&trial), [Phase::Paused; 2]);
    assert_eq!(trial.command(Verb::Resume, Some("c")), None);
    assert_eq!(phases(&trial), [Phase::Paused, Phase::Progressing]);
    assert_eq!(trial.command(Verb::Pause, None), None, "what one of them can follow is no error");
    assert!(trial.command(Verb::Pause, None).unwrap().contains("it is paused already"));
    assert_eq!(trial.command(Verb::Abort, Some("b")), None);
    assert_eq!(phases(&trial), [Phase::Aborted, Phase::Paused]);
    assert_eq!(trial.record.under_way().unwrap().canary, name("c"), "the one that is still tried is shown first");
    assert_eq!(trial.command(Verb::Promote { full: true }, None), None, "there is only one left");
    assert_eq!(phases(&trial), [Phase::Aborted, Phase::Promoted]);
}

#[test]
fn a_file_that_asks_for_others_aborts_all() {
    let mut trial = trial([(0.10, 0.001); 3], "", 6);
    trial.run(20);
    trial.service.canaries.pop();
    let (shop, mut record) = (name("shop"), trial.record.clone());
    let decided = trial.turn(&shop).follow(&mut record);
    let actions: Vec<_> = decided.iter().map(|it| (it.canary.as_ref().map(Name::as_str), it.phase)).collect();
    let expected = [(Some("b"), Phase::Aborted), (Some("c"), Phase::Aborted), (None, Phase::Progressing)];
    assert_eq!(actions[..3], expected, "{actions:?}");
    assert!(record.rivals.is_empty() && record.under_way().unwrap().rivals.is_empty());
}

/// Over many trials of three versions that are all the same: how often any of them is thrown out, and promoted.
#[test]
fn versions_that_are_the_same_are_seldom_told_apart() {
    let (mut out, mut promoted) = (0, 0);
    for seed in 0..60 {
        let mut trial = trial([(0.10, 0.01); 3], ", deadline: 200s", 1_000 + seed);
        trial.run(210);
        let ends = trial.ends();
        out += u32::from(ends.iter().any(|(phase, _)| *phase == Phase::Aborted));
        promoted += u32::from(ends.iter().any(|(phase, _)| *phase == Phase::Promoted));
    }
    // Of a thousand such trials 37 had one thrown out (1% is allowed for by the guardrails and 5% for being taken for the
    // lesser one), and 1 promoted (5% by the goal).
    assert!(out <= 6 && promoted <= 3, "{out} of 60 out, {promoted} promoted");
}

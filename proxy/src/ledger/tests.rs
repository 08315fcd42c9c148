//! Firsts and no seconds, whatever comes in which order.

use super::*;
use crate::registry::Closed;

fn registry() -> Registry {
    let mut registry = Registry::default();
    let names = ["stable", "canary"].map(|name| name.parse().unwrap());
    let slot = registry.slot(&"shop".parse().unwrap());
    let service = registry.services[slot].as_mut().unwrap();
    for epoch in 1..=2 {
        service.enter_epoch(epoch, &names, 1);
    }
    registry
}

fn event(visitor: u64, epoch: u64, arm: u8) -> Event {
    let latency = Some(Duration::from_millis(5));
    let visitor = Draw(visitor);
    Event {
        service: 0,
        rollout: 7,
        epoch,
        at: 100,
        window: Some(Window { seconds: 10 }),
        arm,
        visitor,
        standing: Standing::New,
        latency,
        failed: false,
        converted: false,
        facts: None,
    }
}

fn evidence(registry: &mut Registry, epoch: u64, arm: usize) -> Evidence {
    registry.services[0].as_mut().unwrap().evidence(epoch, arm).unwrap().clone()
}

#[test]
fn every_first_counts_once() {
    let (mut ledger, mut registry) = (Ledger::default(), registry());
    for _ in 0..3 {
        ledger.enter(&Event { failed: true, converted: true, ..event(1, 1, 0) }, &mut registry);
    }
    let counted = evidence(&mut registry, 1, 0);
    assert_eq!((counted.visitors, counted.exposed, counted.failed, counted.converted[&1]), (1, 1, 1, 1));
    assert_eq!(counted.first_latency.iter().sum::<u64>(), 1);
}

#[test]
fn a_moved_visitor_is_exposed_again_and_converts_for_nobody() {
    let (mut ledger, mut registry) = (Ledger::default(), registry());
    ledger.enter(&event(1, 1, 0), &mut registry);
    ledger.enter(&Event { failed: true, converted: true, ..event(1, 2, 1) }, &mut registry);
    let (before, after) = (evidence(&mut registry, 1, 0), evidence(&mut registry, 2, 1));
    assert_eq!((before.visitors, before.exposed, before.converted.len()), (1, 1, 0));
    assert_eq!((after.visitors, after.exposed, after.failed, after.converted.len()), (0, 1, 1, 0));
}

#[test]
fn whoever_came_before_counts_for_everything_but_conversion() {
    let (mut ledger, mut registry) = (Ledger::default(), registry());
    ledger.enter(&event(1, 1, 0), &mut registry);
    for before in [2, 3] {
        let known = Event { standing: Standing::Old, ..event(before, 1, 0) };
        ledger.enter(&known, &mut registry);
        ledger.enter(&Event { failed: true, converted: true, ..known }, &mut registry);
    }
    ledger.enter(&Event { converted: true, ..event(1, 1, 0) }, &mut registry);
    let counted = evidence(&mut registry, 1, 0);
    assert_eq!((counted.visitors, counted.exposed, counted.failed), (3, 3, 2));
    assert_eq!((counted.newcomers, counted.converted[&1]), (1, 1));
    assert_eq!(counted.first_latency.iter().sum::<u64>(), 3);
}

#[test]
fn a_late_conversion_belongs_to_the_epoch_of_first_sight() {
    let (mut ledger, mut registry) = (Ledger::default(), registry());
    ledger.enter(&event(1, 1, 1), &mut registry);
    ledger.enter(&Event { converted: true, ..event(1, 2, 1) }, &mut registry);
    assert_eq!(evidence(&mut registry, 1, 1).converted.get(&2), Some(&1));
}

#[test]
fn a_cookie_stands_in_for_a_lost_memory() {
    let (mut ledger, mut registry) = (Ledger::default(), registry());
    let facts =
        Facts { rollout: 7, first_epoch: 1, first_seen: 99, first_arm: 0, met: 1, failed: true, converted: false };
    ledger.enter(&Event { failed: true, facts: Some(facts), ..event(1, 2, 0) }, &mut registry);
    let counted = evidence(&mut registry, 2, 0);
    assert_eq!((counted.visitors, counted.exposed, counted.failed), (0, 0, 0));
}

#[test]
fn whoever_does_not_convert_in_time_says_so() {
    let (mut ledger, mut registry) = (Ledger::default(), registry());
    let converts = |event: Event, at| Event { converted: true, at, ..event };
    for visitor in 0..6 {
        ledger.enter(&event(visitor, 1, 0), &mut registry);
    }
    ledger.enter(&Event { standing: Standing::Old, ..event(6, 1, 0) }, &mut registry);
    let facts =
        Facts { rollout: 7, first_epoch: 1, first_seen: 99, first_arm: 0, met: 1, failed: false, converted: false };
    ledger.enter(&Event { facts: Some(facts), ..converts(event(7, 1, 0), 109) }, &mut registry);
    ledger.enter(&converts(event(0, 1, 0), 110), &mut registry);
    ledger.enter(&converts(event(1, 2, 1), 110), &mut registry); // moved meanwhile
    ledger.enter(&converts(event(2, 1, 0), 111), &mut registry); // too late
    assert!(!ledger.is_due(111) && ledger.is_due(112));
    ledger.close(112, &mut registry);
    let counted = evidence(&mut registry, 1, 0);
    assert_eq!(counted.closed, Closed { converted: 2, unconverted: 4 }, "by the version of first sight");
    assert_eq!(counted.converted[&1], 2, "the one in time who stayed, and the one another process awaited");
    assert_eq!(evidence(&mut registry, 2, 1).closed, Closed::default());
    ledger.close(999, &mut registry);
    assert_eq!(evidence(&mut registry, 1, 0).closed, counted.closed, "once");
}

#[test]
fn a_visitor_takes_24_bytes() {
    assert_eq!(size_of::<(u64, Seen)>(), 24, "documented with the limit");
}

#[test]
fn a_new_rollout_forgets_and_a_finished_one_does_not_return() {
    let (mut ledger, mut registry) = (Ledger::default(), registry());
    ledger.enter(&event(1, 1, 0), &mut registry);
    ledger.enter(&Event { rollout: 8, ..event(1, 2, 0) }, &mut registry);
    ledger.enter(&event(2, 1, 0), &mut registry);
    assert_eq!(ledger.remembered, 1);
    assert_eq!(evidence(&mut registry, 2, 0).visitors, 1);
    assert_eq!(evidence(&mut registry, 1, 0).visitors, 1);
}

#[test]
fn a_full_memory_keeps_a_fair_sample() {
    let mut ledger = Ledger { capacity: 1_000, ..Ledger::default() };
    let mut registry = registry();
    for visitor in 0..20_000u64 {
        let draw = Draw::of(&tidegate_config::Key([1; 16]), &visitor.to_le_bytes());
        let arm = u8::from(draw.place() < 100_000);
        ledger.enter(&Event { visitor: draw, ..event(0, 1, arm) }, &mut registry);
    }
    assert!(ledger.remembered <= 1_000 && ledger.thinning() < 0.1, "{}", ledger.thinning());
    let (stable, canary) = (evidence(&mut registry, 1, 0).visitors, evidence(&mut registry, 1, 1).visitors);
    let (low, high) = ((stable + canary) * 7 / 100, (stable + canary) * 13 / 100);
    assert!((low..high).contains(&canary), "{canary} of {} counted visitors are the canary's", stable + canary);
    ledger.close(999, &mut registry);
    let closed = [0, 1].map(|arm| evidence(&mut registry, 1, arm).closed.unconverted).iter().sum::<u64>();
    assert_eq!(closed, ledger.remembered as u64, "of those who are left out nothing is claimed");
}

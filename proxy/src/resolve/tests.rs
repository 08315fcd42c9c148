//! Answers and times are made up: nothing here waits or asks.

use super::*;
use crate::clock;

fn config(endpoints: &[&str]) -> Config {
    let endpoints = endpoints.join("', '");
    Config::parse(&format!(
        "{{listeners: [{{address: '127.0.0.1:0'}}], routes: [{{service: s}}], \
         services: {{s: {{versions: {{v: {{endpoints: ['{endpoints}']}}}}}}}}}}"
    ))
    .unwrap()
}

fn answer(addresses: &[&str], ttl: u64) -> Answer {
    let addresses = addresses.iter().map(|text| text.parse().unwrap()).collect();
    Answer { addresses, ttl: Duration::from_secs(ttl) }
}

/// Names that are known from a first answer with this TTL, and when that came.
fn known(ttl: u64) -> (Names, Instant) {
    let (mut names, now) = (Names::default(), clock::now());
    names.want([&config(&["shop.test:80"])], now);
    assert_eq!(names.take_due(9, now), ["shop.test"]);
    names.enter("shop.test", Ok(answer(&["10.0.0.2", "10.0.0.1"], ttl)), now, 0.0);
    (names, now)
}

fn sockets(names: &Names) -> Vec<String> {
    names.resolved().into_values().flatten().map(|socket| socket.to_string()).collect()
}

#[test]
fn addresses_alone_want_no_name() {
    let mut names = Names::default();
    names.want([&config(&["127.0.0.1:80", "[::1]:80"])], clock::now());
    assert_eq!((names.next_due(), names.are_known(), names.resolved().len()), (None, true, 0));
}

#[test]
fn a_name_is_asked_for_once_whatever_its_ports() {
    let (mut names, now) = (Names::default(), clock::now());
    names.want([&config(&["shop.test:80", "shop.test:81", "127.0.0.1:80"])], now);
    assert_eq!(names.take_due(9, now), ["shop.test"]);
    assert!(names.take_due(9, now).is_empty() && !names.are_known());
    names.enter("shop.test", Ok(answer(&["10.0.0.1", "::1"], 9)), now, 0.0);
    assert_eq!(sockets(&names), ["10.0.0.1:80", "[::1]:80", "10.0.0.1:81", "[::1]:81"]);
    assert!(names.are_known());
}

#[test]
fn the_ttl_says_when_to_ask_again_within_bounds() {
    for (ttl, seconds) in [(0, 1), (1, 1), (60, 60), (300, 300), (86_400, 300)] {
        let (names, now) = known(ttl);
        assert_eq!(names.next_due(), Some(now + Duration::from_secs(seconds)), "TTL {ttl}");
    }
}

#[test]
fn a_new_answer_replaces_the_old_one() {
    let (mut names, now) = known(5);
    let later = now + Duration::from_secs(5);
    assert!(names.take_due(9, now + Duration::from_millis(4_999)).is_empty());
    assert_eq!(names.take_due(9, later), ["shop.test"]);
    names.enter("shop.test", Ok(answer(&["10.0.0.3"], 5)), later, 0.0);
    assert_eq!(sockets(&names), ["10.0.0.3:80"]);
    assert_eq!(names.status()[0].age(later + Duration::from_secs(2)), Some(Duration::from_secs(2)));
}

#[test]
fn a_failure_keeps_the_last_good_answer_and_says_so() {
    let (mut names, now) = known(5);
    let failures =
        [ResolveError::NoSuchName, ResolveError::NoAddress, ResolveError::Timeout, ResolveError::Server(2.into())];
    for failure in failures {
        let told = failure.to_string();
        names.enter("shop.test", Err(failure), now, 0.0);
        assert_eq!(sockets(&names), ["10.0.0.1:80", "10.0.0.2:80"], "{told}");
        let status = &names.status()[0];
        assert_eq!((status.error.as_deref(), status.since), (Some(told.as_str()), Some(now)));
    }
    names.enter("shop.test", Ok(answer(&["10.0.0.9"], 5)), now, 0.0);
    assert_eq!(names.status()[0].error, None);
}

#[test]
fn failures_are_asked_about_less_and_less_and_never_twice_a_second() {
    let (mut names, now) = known(5);
    let mut waits = Vec::new();
    for _ in 0..8 {
        names.enter("shop.test", Err(ResolveError::Timeout), now, 0.0);
        waits.push((names.next_due().unwrap() - now).as_secs());
    }
    assert_eq!(waits, [1, 2, 4, 8, 16, 30, 30, 30]);
    assert_eq!(back_off(0, 0.0), Duration::from_secs(1));
    assert_eq!(back_off(0, 1.0), Duration::from_millis(1_250));
    assert_eq!(back_off(u32::MAX, 1.0), Duration::from_millis(37_500));
    names.enter("shop.test", Ok(answer(&["10.0.0.1"], 5)), now, 0.0);
    names.enter("shop.test", Err(ResolveError::Timeout), now, 0.0);
    assert_eq!(names.next_due(), Some(now + Duration::from_secs(1)), "success begins anew");
}

#[test]
fn names_no_longer_wanted_are_forgotten() {
    let (mut names, now) = known(5);
    names.want([&config(&["other.test:80"]), &config(&["shop.test:81"])], now);
    assert_eq!(sockets(&names), ["10.0.0.1:81", "10.0.0.2:81"]);
    names.want([&config(&["other.test:80"])], now);
    names.enter("shop.test", Ok(answer(&["10.0.0.1"], 5)), now, 0.0);
    assert_eq!(names.status().iter().map(|name| name.host.as_str()).collect::<Vec<_>>(), ["other.test"]);
    assert!(sockets(&names).is_empty());
}

#[test]
fn only_so_many_are_asked_for_at_once_and_a_lost_lookup_is_begun_again() {
    let (mut names, now) = (Names::default(), clock::now());
    names.want([&config(&["a.test:80", "b.test:80", "c.test:80"])], now);
    assert_eq!(names.take_due(2, now), ["a.test", "b.test"]);
    names.enter("a.test", Ok(answer(&["10.0.0.1"], 300)), now, 0.0);
    assert_eq!(names.take_due(2, now), ["c.test"]);
    let much_later = now + Duration::from_secs(20);
    assert_eq!(names.take_due(9, much_later), ["b.test", "c.test"]);
}

#[test]
fn more_addresses_than_endpoints_are_cut() {
    let (mut names, now) = known(5);
    let many = (0..2_000u32).map(|i| IpAddr::from(i.to_be_bytes())).collect();
    names.enter("shop.test", Ok(Answer { addresses: many, ttl: Duration::ZERO }), now, 0.0);
    assert_eq!(sockets(&names).len(), limits::ENDPOINTS_PER_VERSION_MAX);
}

//! Certificates over ten years.

use super::*;

const NOW: i64 = 1_790_000_000;
const YEAR: i64 = 365 * DAY;

fn names() -> Vec<String> {
    ["tidegate-controller.tidegate-system.svc", "127.0.0.1"].map(str::to_owned).to_vec()
}

#[test]
fn times_of_renewal() {
    let authority = Authority::create(NOW).unwrap();
    let leaf = Leaf::issue(&authority, &names(), NOW).unwrap();
    for (days, of_leaf, of_authority) in
        [(0, false, false), (59, false, false), (61, true, false), (3_280, true, false), (3_290, true, true)]
    {
        let now = NOW + days * DAY;
        assert_eq!(leaf.needs_renewal(now), of_leaf, "the leaf after {days} days");
        assert_eq!(authority.needs_renewal(now), of_authority, "the authority after {days} days");
    }
    let late = Leaf::issue(&authority, &names(), authority.validity().to - DAY).unwrap();
    assert_eq!(late.validity().to, authority.validity().to, "no leaf outlives its authority");
}

#[test]
fn what_was_kept_is_read_again() {
    let authority = Authority::create(NOW).unwrap();
    let again = Authority::read(authority.certificate(), authority.key()).unwrap();
    assert_eq!(again.validity(), authority.validity());
    let leaf = Leaf::issue(&again, &names(), NOW).unwrap();
    let again = Leaf::read(leaf.certificate(), leaf.key()).unwrap();
    assert_eq!(again.validity(), leaf.validity());
    assert!(again.server(&["h2"]).is_ok());
    for (certificate, key) in [("", authority.key()), ("-----BEGIN", ""), (authority.certificate(), "no key")] {
        assert!(Authority::read(certificate, key).is_err(), "{certificate} {key}");
    }
    let other = Leaf::issue(&authority, &names(), NOW).unwrap();
    assert!(Leaf::read(leaf.certificate(), other.key()).unwrap().server(&[]).is_err(), "another leaf's key");
    assert!(!format!("{authority:?} {leaf:?}").contains("KEY"), "keys are not shown");
}

#[test]
fn a_new_authority_is_trusted_before_it_signs() {
    let first = Authorities::create(NOW).unwrap();
    let old = first.signer(NOW).certificate().to_owned();
    assert!(!first.need_renewal(NOW + 8 * YEAR));
    let begin = NOW + 9 * YEAR + DAY;
    assert!(first.need_renewal(begin));
    let both = first.renewed(begin).unwrap();
    assert_eq!(both.all().count(), 2);
    assert!(both.bundle().contains(&old) && both.bundle().matches("BEGIN CERTIFICATE").count() == 2);
    assert!(!both.need_renewal(begin + DAY), "once");
    assert_eq!(both.signer(begin + DAY / 2).certificate(), old, "not everybody has heard of the new one");
    let new = both.signer(begin + 2 * DAY).certificate().to_owned();
    assert_ne!(new, old);
    let mut kept: Vec<_> = both.all().map(|it| Authority::read(it.certificate(), it.key()).unwrap()).collect();
    kept.reverse();
    let both = Authorities::of(kept).unwrap();
    assert_eq!(both.signer(begin + 2 * DAY).certificate(), new, "whatever the order they were kept in");
    let end = NOW + 10 * YEAR + DAY;
    assert!(both.need_renewal(end));
    let last = both.renewed(end).unwrap();
    assert_eq!(last.bundle(), new, "the old one is over");
}

#[test]
fn a_controller_that_slept_for_decades_begins_anew() {
    let first = Authorities::create(NOW).unwrap();
    let late = first.renewed(NOW + 30 * YEAR).unwrap();
    assert!(!late.signer(NOW + 30 * YEAR).validity().is_over(NOW + 30 * YEAR));
    assert_eq!(late.all().count(), 1);
    assert!(Authorities::of(Vec::new()).is_none());
}

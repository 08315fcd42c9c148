//! The cookies that say who a visitor is and what its rollout knows of it.

use std::collections::BTreeSet;

use crate::harness::{After, Backend, TestProxy, canary, fixed, one, reply, until};

const ALL: u32 = 1_000_000;

/// A proxy with a rollout at 50% whose versions answer with these fields, except at `/plain`.
fn with_fields(fields: &'static str) -> (Backend, TestProxy) {
    let backend = Backend::start(move |exchange| {
        let plain = exchange.request().line().contains("/plain");
        exchange.send(reply("200 OK", if plain { "" } else { fields }, "ok"));
        After::Keep
    });
    let proxy = TestProxy::start(&canary(backend.address, backend.address, ""));
    proxy.set_share("v2", ALL / 2);
    (backend, proxy)
}

/// The names of the cookies that an answer sets.
fn names(cookies: &str) -> BTreeSet<&str> {
    cookies.split("; ").filter(|cookie| !cookie.is_empty()).map(|cookie| cookie.split('=').next().unwrap()).collect()
}

#[test]
fn a_new_visitor_gets_its_two_cookies_once() {
    let (_backend, proxy) = with_fields("set-cookie: own=1; Path=/\r\n");
    let answer = proxy.get("/");
    let cookies = answer.fields("set-cookie");
    assert_eq!((cookies.len(), cookies[0]), (3, "own=1; Path=/"), "the service's own stays");
    let attributes = |cookie: &str| cookie.split_once("; ").unwrap().1.to_owned();
    let value = |cookie: &str| cookie.split_once('=').unwrap().1.split(';').next().unwrap().to_owned();
    assert!(cookies[1].starts_with("tidegate="), "{}", cookies[1]);
    assert_eq!(attributes(cookies[1]), "Max-Age=15552000; Path=/; HttpOnly; SameSite=Lax");
    let facts = cookies[2].split('=').next().unwrap();
    assert!(facts.starts_with("tidegate-") && facts.len() == 17, "{facts}");
    assert_eq!(attributes(cookies[2]), "Max-Age=1209600; Path=/; HttpOnly; SameSite=Lax");
    for cookie in &cookies[1..] {
        assert!(value(cookie).bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)), "{cookie}");
    }
    let again = proxy.client().get_with("/", &format!("cookie: {}\r\n", answer.cookies()));
    assert_eq!(again.fields("set-cookie"), ["own=1; Path=/"], "a visitor who is known gets none");
}

#[test]
fn nobody_gets_a_cookie_where_nothing_is_divided() {
    let backend = Backend::saying("ok");
    let single = TestProxy::start(&one(&backend, ""));
    assert_eq!(single.get("/").cookies(), "");
    let undivided = TestProxy::start(&fixed(backend.address, backend.address, "0%", ""));
    assert_eq!(undivided.get("/").cookies(), "");
    let divided = TestProxy::start(&fixed(backend.address, backend.address, "50%", ""));
    assert_eq!(names(&divided.get("/").cookies()), BTreeSet::from(["tidegate"]), "no rollout, no facts");
}

#[test]
fn visitors_have_different_cookies() {
    let (_backend, proxy) = with_fields("");
    let cookies: BTreeSet<_> = (0..50).map(|_| proxy.get("/").cookie("tidegate").unwrap().to_owned()).collect();
    assert_eq!(cookies.len(), 50);
}

#[test]
fn no_cookie_is_set_on_what_a_shared_cache_may_keep() {
    // `Cache-Control` of the response, and whether a cookie may be set on it.
    let rows = [
        ("", true),
        ("cache-control: no-store\r\n", true),
        ("cache-control: private, max-age=60\r\n", true),
        ("cache-control: max-age=0\r\n", true),
        ("cache-control: no-cache\r\n", true),
        ("cache-control: max-age=60\r\n", false),
        ("cache-control: public\r\n", false),
        ("cache-control: Public, Max-Age=60\r\n", false),
        ("cache-control: s-maxage=60\r\n", false),
        ("cache-control: no-transform\r\ncache-control: public\r\n", false),
    ];
    for (fields, allowed) in rows {
        let (_backend, proxy) = with_fields(fields);
        let answer = proxy.get("/");
        assert_eq!(!answer.cookies().is_empty(), allowed, "{fields:?}");
        // A visitor of the whole site who meets this rollout for the first time.
        let known = with_fields("").1.get("/").cookie("tidegate").unwrap().to_owned();
        let answer = proxy.client().get_with("/", &format!("cookie: {known}\r\n"));
        assert_eq!(!answer.cookies().is_empty(), allowed, "{fields:?} for a visitor who is known");
        // Events are counted in their order, so with this visitor all are.
        assert_ne!(proxy.get("/plain").cookies(), "");
        let visitors = if allowed { 3 } else { 1 };
        until("the visitors who can be met again are counted", || {
            proxy.samples().count("tidegate_visitors_total", &[]) == visitors
        });
        assert_eq!(proxy.samples().count("tidegate_requests_total", &[]), 3);
    }
    assert_eq!(rows.len(), 10);
}

#[test]
fn a_forged_cookie_is_none() {
    let (_backend, proxy) = with_fields("");
    let real = proxy.get("/").cookie("tidegate").unwrap().to_owned();
    let value = real.strip_prefix("tidegate=").unwrap();
    let other = if value.starts_with('A') { 'B' } else { 'A' };
    let rows = [
        String::new(),
        "x".into(),
        "A".repeat(27),
        "=".repeat(27),
        "A".repeat(10_000),
        format!("{other}{}", &value[1..]),
        format!("{}{other}", &value[..value.len() - 1]),
        value[..26].into(),
        format!("{value}A"),
        format!("\"{value}\""),
        "%00".into(),
    ];
    for forged in &rows {
        let answer = proxy.client().get_with("/", &format!("cookie: tidegate={forged}\r\n"));
        let new = answer.cookie("tidegate");
        // The last character of a cookie holds bits that mean nothing; only what means the same may be taken.
        assert!(answer.status == 200 && new.is_some_and(|new| new != real), "{forged:?} was believed");
    }
    assert_eq!(rows.len(), 11);
    let answer = proxy.client().get_with("/", &format!("cookie: {real}\r\n"));
    assert_eq!(answer.cookie("tidegate"), None, "the real one is");
}

#[test]
fn forged_or_foreign_facts_hide_no_visitor() {
    let (_backend, proxy) = with_fields("");
    let (mine, other) = (proxy.get("/"), proxy.get("/"));
    until("both are counted", || proxy.samples().count("tidegate_visitors_total", &[]) == 2);
    let cookies = other.cookies();
    let facts = cookies.split("; ").find(|cookie| cookie.starts_with("tidegate-")).unwrap();
    let name = facts.split('=').next().unwrap();
    let stranger = || proxy.get("/").cookie("tidegate").unwrap().to_owned();
    let garbage = format!("{name}={}", "A".repeat(facts.len() - name.len() - 1));
    for facts in [facts, &garbage] {
        let answer = proxy.client().get_with("/", &format!("cookie: {}; {facts}\r\n", stranger()));
        assert_eq!((answer.status, answer.cookie("tidegate")), (200, None), "{facts}");
    }
    let own = format!("{}; {facts}", mine.cookie("tidegate").unwrap());
    let answer = proxy.client().get_with("/", &format!("cookie: {own}\r\n"));
    assert_eq!(answer.status, 200);
    proxy.get("/");
    until("everybody is counted once", || proxy.samples().count("tidegate_visitors_total", &[]) == 5);
}

//! Asks the real server of `server.rs`.

use std::net::IpAddr;

use super::server::{Reply, Server};
use super::*;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

async fn ask(server: &Server, host: &str) -> Result<Answer, ResolveError> {
    Resolver::with_server(server.address).unwrap().lookup(host).await
}

#[tokio::test]
async fn both_families_make_one_answer_with_its_ttl() {
    let server = Server::start();
    server.say("shop.test", Reply::Addresses(vec![ip("10.0.0.2"), ip("::2"), ip("10.0.0.1"), ip("10.0.0.2")], 7));
    let answer = ask(&server, "shop.test").await.unwrap();
    assert_eq!(answer.addresses.into_iter().collect::<Vec<_>>(), [ip("10.0.0.1"), ip("10.0.0.2"), ip("::2")]);
    assert_eq!(answer.ttl, Duration::from_secs(7));
}

#[tokio::test]
async fn one_family_alone_is_an_answer() {
    let server = Server::start();
    server.say("six.test", Reply::Addresses(vec![ip("2001:db8::1")], 5));
    assert_eq!(ask(&server, "six.test").await.unwrap().addresses, [ip("2001:db8::1")].into());
}

#[tokio::test]
async fn an_alias_holds_no_longer_than_its_shortest_ttl() {
    let server = Server::start();
    for (outer, inner) in [(3, 60), (60, 3)] {
        server.say("alias.test", Reply::Alias(ip("10.0.0.9"), outer, inner));
        let answer = ask(&server, "alias.test").await.unwrap();
        assert_eq!((answer.addresses, answer.ttl), ([ip("10.0.0.9")].into(), Duration::from_secs(3)));
    }
}

#[tokio::test]
async fn every_failure_has_its_name() {
    let server = Server::start();
    let long = vec!["a".repeat(63); 4].join(".");
    server.say("empty.test", Reply::Code(ResponseCode::NoError));
    server.say("broken.test", Reply::Code(ResponseCode::ServFail));
    server.say("refused.test", Reply::Code(ResponseCode::Refused));
    server.say("noise.test", Reply::Noise);
    server.say("oversized.test", Reply::Oversized(1, 250));
    for (host, expected) in [
        ("gone.test", "no such name"),
        ("empty.test", "the name has no address"),
        ("broken.test", "the DNS server answered: Server Failure"),
        ("refused.test", "the DNS server answered: Query Refused"),
        ("noise.test", "the DNS query failed"),
        ("oversized.test", "the DNS query failed"),
        (&long, "not a DNS name"),
    ] {
        assert_eq!(ask(&server, host).await.unwrap_err().to_string(), expected, "{host}");
    }
}

#[tokio::test]
async fn an_answer_of_four_kibibytes_comes_by_tcp() {
    let server = Server::start();
    server.say("many.test", Reply::ByTcp(2, 150));
    let answer = ask(&server, "many.test").await.unwrap();
    assert_eq!((answer.addresses.len(), answer.ttl), (300, Duration::from_mins(1)));
}

#[tokio::test(start_paused = true)]
async fn a_silent_server_is_given_up() {
    let server = Server::start();
    server.say("silent.test", Reply::Silence);
    assert!(matches!(ask(&server, "silent.test").await, Err(ResolveError::Timeout)));
    assert!(server.asked("silent.test") <= 4, "one question, sent again at most three times");
}

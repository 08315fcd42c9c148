//! PURE. What changes in the fields of a message on its way through: hop-by-hop fields go, forwarding fields come.

use http::header::{self, Entry, HeaderMap, HeaderName, HeaderValue};
use http::uri::PathAndQuery;
use http::{Method, Request, Version, request};

use crate::error::Error;

/// The address of the client, as the first untrusted hop told it.
pub static X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// The host that the client asked for.
pub static X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
/// The scheme that the client used.
pub static X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
/// Identifies the request in the logs of everybody it passes.
pub static X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What one pass over the fields of a request found.
#[derive(Debug, Default)]
struct Found {
    hosts: usize,
    cookies: usize,
    hop_by_hop: bool,
    transfer_encodings: usize,
    upgrade: bool,
    underscore: bool,
}

/// Checks the head of a request and takes what concerns only the client's hop out of it (RFC 9110 §7.6.1).
///
/// Afterwards the target is in origin form and `Host` is the host that the client asked for.
pub fn accept(head: &mut request::Parts) -> Result<(), Error> {
    if head.method == Method::CONNECT {
        return Err(Error::Unsupported("CONNECT"));
    }
    let found = survey(&head.headers);
    if found.upgrade && head.version == Version::HTTP_11 {
        return Err(Error::Unsupported("a protocol upgrade"));
    }
    if found.transfer_encodings > 0 {
        check_transfer_encoding(&head.headers, found.transfer_encodings)?;
    }
    check_host(head, found.hosts)?;
    origin_form(head)?;
    if found.hop_by_hop {
        remove_hop_by_hop(&mut head.headers);
    }
    if found.cookies > 1 {
        join_cookies(&mut head.headers);
    }
    if found.underscore {
        remove_underscores(&mut head.headers);
    }
    Ok(())
}

fn survey(fields: &HeaderMap) -> Found {
    let mut found = Found::default();
    for (name, _) in fields {
        match *name {
            header::HOST => found.hosts += 1,
            header::COOKIE => found.cookies += 1,
            header::TRANSFER_ENCODING => {
                found.transfer_encodings += 1;
                found.hop_by_hop = true;
            }
            header::UPGRADE => {
                found.upgrade = true;
                found.hop_by_hop = true;
            }
            header::CONNECTION | header::TE | header::TRAILER | header::PROXY_AUTHORIZATION | header::EXPECT => {
                found.hop_by_hop = true;
            }
            _ => {
                found.hop_by_hop |= is_unregistered_hop_by_hop(name);
                found.underscore |= memchr::memchr(b'_', name.as_str().as_bytes()).is_some();
            }
        }
    }
    found
}

/// Hop-by-hop fields that have no constant of their own.
fn is_unregistered_hop_by_hop(name: &HeaderName) -> bool {
    matches!(name.as_str(), "keep-alive" | "proxy-connection" | "http2-settings")
}

/// Takes `chunked` alone: any other coding would reach the endpoint as a body it reads differently (RFC 9112 §6.1).
fn check_transfer_encoding(fields: &HeaderMap, count: usize) -> Result<(), Error> {
    let value = fields.get(header::TRANSFER_ENCODING).map(HeaderValue::as_bytes);
    if count == 1 && value.is_some_and(|value| value.eq_ignore_ascii_case(b"chunked")) {
        Ok(())
    } else {
        Err(Error::Malformed("a transfer coding other than chunked"))
    }
}

/// Makes `Host` the one host of the request: the target's authority, else the single field (RFC 9112 §3.2).
fn check_host(head: &mut request::Parts, hosts: usize) -> Result<(), Error> {
    if hosts > 1 {
        return Err(Error::Malformed("more than one Host"));
    }
    if let Some(authority) = head.uri.authority() {
        let value = HeaderValue::from_str(authority.as_str()).map_err(|_| Error::Malformed("an invalid host"))?;
        head.headers.insert(header::HOST, value);
    }
    let host = head.headers.get(header::HOST).ok_or(Error::Malformed("no Host"))?;
    // RFC 3986 §3.2: host and port, without user information.
    let allowed = |b: &u8| b.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=:[]".contains(b);
    if host.is_empty() || host.as_bytes().starts_with(b":") || !host.as_bytes().iter().all(allowed) {
        return Err(Error::Malformed("an invalid host"));
    }
    Ok(())
}

/// The host of an accepted request, without its port.
pub fn host(fields: &HeaderMap) -> &str {
    let host = fields.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    match host.rfind([':', ']']) {
        Some(colon) if host.as_bytes()[colon] == b':' => &host[..colon],
        _ => host,
    }
}

/// Brings the target into origin form (RFC 9112 §3.2.1), the only one an endpoint gets.
fn origin_form(head: &mut request::Parts) -> Result<(), Error> {
    let scheme_is_http = head.uri.scheme_str().is_none_or(|scheme| scheme == "http" || scheme == "https");
    let target = head.uri.path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/"));
    let is_path = target.as_str().starts_with('/');
    if !scheme_is_http || !(is_path || head.method == Method::OPTIONS && target.as_str() == "*") {
        return Err(Error::Malformed("a target that is neither a path nor a http URL"));
    }
    if head.uri.authority().is_some() {
        head.uri = http::Uri::from(target);
    }
    Ok(())
}

/// Removes the fields that end at this hop, and those that `Connection` names.
fn remove_hop_by_hop(fields: &mut HeaderMap) {
    if let Entry::Occupied(connection) = fields.entry(header::CONNECTION) {
        let values: Vec<HeaderValue> = connection.remove_entry_mult().1.collect();
        for name in values.iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')) {
            let name = name.trim();
            // Nobody may have us drop what routing and framing rest on.
            if !name.eq_ignore_ascii_case("host") && !name.eq_ignore_ascii_case("content-length") {
                fields.remove(name);
            }
        }
    }
    for name in ["te", "trailer", "upgrade", "proxy-authorization", "proxy-authenticate", "keep-alive"] {
        fields.remove(name);
    }
    // We answer `Expect: 100-continue` ourselves, when the endpoint begins to take the body.
    for name in ["proxy-connection", "http2-settings", "expect"] {
        fields.remove(name);
    }
    if fields.remove(header::TRANSFER_ENCODING).is_some() {
        // hyper frames the body anew; a length beside a transfer coding is an attack or a fault (RFC 9112 §6.3).
        fields.remove(header::CONTENT_LENGTH);
    }
}

/// HTTP/2 may split the cookie field; HTTP/1.1 allows one (RFC 9113 §8.2.3).
fn join_cookies(fields: &mut HeaderMap) {
    let crumbs: Vec<&[u8]> = fields.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if let Ok(whole) = HeaderValue::from_bytes(&crumbs.join(&b"; "[..])) {
        fields.insert(header::COOKIE, whole);
    }
}

/// Servers that turn fields into variables read `x_forwarded_for` as `x-forwarded-for`: such twins go.
fn remove_underscores(fields: &mut HeaderMap) {
    let twins: Vec<HeaderName> = fields.keys().filter(|name| name.as_str().contains('_')).cloned().collect();
    for name in twins {
        fields.remove(name);
    }
}

/// Adds what an endpoint wants to know of the client. Whatever the client said itself is overwritten: nobody in front of
/// us is trusted.
pub fn forwarded<B>(request: &mut Request<B>, client: &HeaderValue, id: HeaderValue) {
    let fields = request.headers_mut();
    if let Some(host) = fields.get(header::HOST).cloned() {
        fields.insert(&X_FORWARDED_HOST, host);
    }
    fields.insert(&X_FORWARDED_FOR, client.clone());
    fields.insert(&X_FORWARDED_PROTO, HeaderValue::from_static("http"));
    fields.remove(header::FORWARDED);
    if let Entry::Vacant(vacant) = fields.entry(&X_REQUEST_ID) {
        vacant.insert(id);
    }
}

/// Takes what concerns only the endpoint's hop out of a response.
pub fn returned(fields: &mut HeaderMap) {
    let concerned = |name: &HeaderName| {
        matches!(*name, header::CONNECTION | header::TE | header::TRAILER | header::TRANSFER_ENCODING | header::UPGRADE)
            || *name == header::PROXY_AUTHENTICATE
            || is_unregistered_hop_by_hop(name)
    };
    if fields.keys().any(concerned) {
        remove_hop_by_hop(fields);
    }
}

/// Whether a cache shared by several clients may keep a response (RFC 9111 §3): such a response must not carry a cookie
/// that names one visitor.
pub fn is_publicly_cacheable(fields: &HeaderMap) -> bool {
    let mut directives = fields.get_all(header::CACHE_CONTROL).iter().filter_map(|value| value.to_str().ok());
    let (mut public, mut private) = (false, false);
    for directive in directives.by_ref().flat_map(|value| value.split(',')) {
        let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
        let name = name.trim();
        private |= name.eq_ignore_ascii_case("private") || name.eq_ignore_ascii_case("no-store");
        public |= name.eq_ignore_ascii_case("public");
        let lives = |name: &str| name.eq_ignore_ascii_case("max-age") || name.eq_ignore_ascii_case("s-maxage");
        public |= lives(name) && value.trim_matches(['"', ' ']) != "0";
    }
    public && !private
}

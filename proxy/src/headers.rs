//! PURE. What changes in the fields of a message on its way through: hop-by-hop fields go, forwarding fields come.

use http::header::{self, Entry, HeaderMap, HeaderName, HeaderValue};
use http::uri::PathAndQuery;
use http::{Method, Request, Version};

use crate::error::Error;

/// Identifies the request in the logs of everybody it passes.
pub static X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What routing and assignment need of the fields of an accepted request: found in one pass, instead of by a search in
/// the map for each.
#[derive(Debug)]
pub struct Accepted {
    /// The host that the client asked for, perhaps with a port.
    pub host: HeaderValue,
    /// All cookies.
    pub cookie: Option<HeaderValue>,
    /// The version that a tester asks for.
    pub version: Option<HeaderValue>,
    /// The client's own name for the request.
    pub id: Option<HeaderValue>,
    /// Whether it asks for another protocol on its connection.
    pub upgrades: bool,
}

/// What one pass over the fields of a message found.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "findings that do not depend on each other")]
struct Found {
    host: Option<HeaderValue>,
    cookie: Option<HeaderValue>,
    version: Option<HeaderValue>,
    id: Option<HeaderValue>,
    hosts: usize,
    cookies: usize,
    transfer_encodings: usize,
    connection: bool,
    upgrade: bool,
    /// Fields by which a proxy in front of us would tell of the client.
    forwarded: bool,
    underscore: bool,
    /// Fields that end at this hop, beside `Connection`.
    hop_by_hop: bool,
}

/// Checks the head of a request and takes what concerns only the client's hop out of it (RFC 9110 §7.6.1).
///
/// Afterwards the target is in origin form and `Host` is the host that the client asked for.
pub fn accept<B>(request: &mut Request<B>) -> Result<Accepted, Error> {
    if *request.method() == Method::CONNECT {
        return Err(Error::Unsupported("CONNECT"));
    }
    let mut found = survey(request.headers());
    // HTTP/1.0 knows no upgrade, and HTTP/2 has none: there the field is not for us (RFC 9110 §7.8, RFC 9113 §8.2.2).
    let upgrade =
        if found.upgrade && request.version() == Version::HTTP_11 { asked_upgrade(request.headers())? } else { None };
    if found.transfer_encodings > 0 {
        check_transfer_encoding(request.headers(), found.transfer_encodings)?;
    }
    let host = check_host(request, &mut found)?;
    origin_form(request)?;
    let fields = request.headers_mut();
    remove_hop_by_hop(fields, &found);
    let upgrades = upgrade.is_some();
    if let Some(protocol) = upgrade {
        name_upgrade(fields, protocol);
    }
    if found.cookies > 1 {
        found.cookie = join_cookies(fields);
    }
    if found.underscore {
        remove_underscores(fields);
    }
    if found.forwarded {
        // Nobody in front of us is trusted.
        for name in FORWARDED {
            fields.remove(name);
        }
    }
    let Found { cookie, version, id, .. } = found;
    Ok(Accepted { host, cookie, version, id, upgrades })
}

/// What a client may not say of itself; an endpoint believes the proxy.
const FORWARDED: [&str; 6] =
    ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-port", "x-forwarded-proto", "x-real-ip"];

fn survey(fields: &HeaderMap) -> Found {
    let mut found = Found::default();
    for (name, value) in fields {
        // By their text: a comparison of lengths sorts nearly all names out.
        match name.as_str() {
            "host" => {
                found.hosts += 1;
                found.host = Some(value.clone());
            }
            "cookie" => {
                found.cookies += 1;
                found.cookie = Some(value.clone());
            }
            "transfer-encoding" => found.transfer_encodings += 1,
            "connection" => found.connection = true,
            "upgrade" => {
                found.upgrade = true;
                found.hop_by_hop = true;
            }
            "te"
            | "trailer"
            | "expect"
            | "proxy-authorization"
            | "proxy-authenticate"
            | "keep-alive"
            | "proxy-connection"
            | "http2-settings" => found.hop_by_hop = true,
            "forwarded" | "x-real-ip" => found.forwarded = true,
            "x-request-id" => found.id = Some(value.clone()),
            "x-tidegate-version" => found.version = Some(value.clone()),
            name => {
                found.forwarded |= name.starts_with("x-forwarded-");
                found.underscore |= memchr::memchr(b'_', name.as_bytes()).is_some();
            }
        }
    }
    found
}

/// The protocols that a client asks for on its connection; `None` where it only mentions them.
fn asked_upgrade(fields: &HeaderMap) -> Result<Option<HeaderValue>, Error> {
    let names = |field, wanted: &str| {
        let values = fields.get_all(field).iter().filter_map(|value| value.to_str().ok());
        values.flat_map(|value| value.split(',')).any(|name| name.trim().eq_ignore_ascii_case(wanted))
    };
    if !names(header::CONNECTION, "upgrade") {
        return Ok(None);
    }
    if names(header::UPGRADE, "h2c") {
        // It would leave our checks, and was taken out of HTTP/2 (RFC 9113 §3.1).
        return Err(Error::Unsupported("an upgrade to h2c"));
    }
    let length = fields.get(header::CONTENT_LENGTH).is_some_and(|length| length != "0");
    if length || fields.contains_key(header::TRANSFER_ENCODING) {
        return Err(Error::Unsupported("a protocol upgrade with a body"));
    }
    let mut protocols = fields.get_all(header::UPGRADE).iter();
    match (protocols.next(), protocols.next()) {
        (Some(protocol), None) => Ok(Some(protocol.clone())),
        _ => Err(Error::Malformed("more than one Upgrade")),
    }
}

/// Says on the next hop, too, that its protocol is to change.
fn name_upgrade(fields: &mut HeaderMap, protocol: HeaderValue) {
    fields.insert(header::UPGRADE, protocol);
    fields.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
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
fn check_host<B>(request: &mut Request<B>, found: &mut Found) -> Result<HeaderValue, Error> {
    if found.hosts > 1 {
        return Err(Error::Malformed("more than one Host"));
    }
    let host = match request.uri().authority() {
        Some(authority) => {
            let host = HeaderValue::from_str(authority.as_str()).map_err(|_| Error::Malformed("an invalid host"))?;
            request.headers_mut().insert(header::HOST, host.clone());
            host
        }
        None => found.host.take().ok_or(Error::Malformed("no Host"))?,
    };
    if name_length(host.as_bytes()).is_some() { Ok(host) } else { Err(Error::Malformed("an invalid host")) }
}

/// The length of the name or address in a host with perhaps a port, but no user information (RFC 3986 §3.2); `None` for
/// anything else.
fn name_length(value: &[u8]) -> Option<usize> {
    let in_name = |b: &u8| b.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=".contains(b);
    let in_address = |b: &u8| b.is_ascii_hexdigit() || b":.".contains(b);
    let length = if let Some(literal) = value.strip_prefix(b"[") {
        let end = literal.iter().position(|b| !in_address(b))?;
        (end > 0 && literal[end] == b']').then_some(end + 2)?
    } else {
        value.iter().position(|b| !in_name(b)).unwrap_or(value.len())
    };
    let is_port = |port: &[u8]| {
        let number = port.iter().try_fold(0u16, |number, digit| {
            let digit = digit.is_ascii_digit().then(|| u16::from(digit - b'0'))?;
            number.checked_mul(10)?.checked_add(digit)
        });
        number.is_some()
    };
    let rest = &value[length..];
    (length > 0 && (rest.is_empty() || rest.strip_prefix(b":").is_some_and(is_port))).then_some(length)
}

/// The name or address in a host; empty where it is none.
pub fn without_port(host: &HeaderValue) -> &str {
    let host = host.as_bytes();
    let name = name_length(host).and_then(|length| str::from_utf8(&host[..length]).ok());
    name.unwrap_or_default()
}

/// Brings the target into origin form (RFC 9112 §3.2.1), the only one an endpoint gets.
fn origin_form<B>(request: &mut Request<B>) -> Result<(), Error> {
    let malformed = Error::Malformed("a target that is neither a path nor a http URL");
    let uri = request.uri();
    if uri.scheme().is_none() && uri.authority().is_none() {
        let is_path = uri.path().starts_with('/');
        let is_all = *request.method() == Method::OPTIONS && uri.path() == "*";
        return if is_path || is_all { Ok(()) } else { Err(malformed) };
    }
    if uri.scheme_str().is_some_and(|scheme| scheme != "http" && scheme != "https") || uri.scheme().is_none() {
        return Err(malformed);
    }
    let target = uri.path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/"));
    *request.uri_mut() = http::Uri::from(target);
    Ok(())
}

/// Removes the fields that end at this hop, and those that `Connection` names. Returns whether it names `close`.
fn remove_hop_by_hop(fields: &mut HeaderMap, found: &Found) -> bool {
    let mut closes = false;
    if found.connection
        && let Entry::Occupied(connection) = fields.entry(header::CONNECTION)
    {
        let (_, values) = connection.remove_entry_mult();
        // Nearly always one of two words, which name no field that needs a search.
        let mut names = Vec::new();
        for value in values {
            if value.as_bytes().eq_ignore_ascii_case(b"close") {
                closes = true;
            } else if !value.as_bytes().eq_ignore_ascii_case(b"keep-alive") {
                names.push(value);
            }
        }
        for name in names.iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')) {
            let name = name.trim();
            closes |= name.eq_ignore_ascii_case("close");
            // Nobody may have us drop what routing and framing rest on.
            if !name.eq_ignore_ascii_case("host") && !name.eq_ignore_ascii_case("content-length") {
                fields.remove(name);
            }
        }
    }
    if found.hop_by_hop {
        for name in ["te", "trailer", "upgrade", "proxy-authorization", "proxy-authenticate", "keep-alive"] {
            fields.remove(name);
        }
        // We answer `Expect: 100-continue` ourselves, when the endpoint begins to take the body.
        for name in ["proxy-connection", "http2-settings", "expect"] {
            fields.remove(name);
        }
    }
    if found.transfer_encodings > 0 {
        // hyper frames the body anew; a length beside a transfer coding is an attack or a fault (RFC 9112 §6.3).
        fields.remove(header::TRANSFER_ENCODING);
        fields.remove(header::CONTENT_LENGTH);
    }
    closes
}

/// HTTP/2 may split the cookie field; HTTP/1.1 allows one (RFC 9113 §8.2.3).
fn join_cookies(fields: &mut HeaderMap) -> Option<HeaderValue> {
    let crumbs: Vec<&[u8]> = fields.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes).collect();
    let whole = HeaderValue::from_bytes(&crumbs.join(&b"; "[..])).ok()?;
    fields.insert(header::COOKIE, whole.clone());
    Some(whole)
}

/// Servers that turn fields into variables read `x_forwarded_for` as `x-forwarded-for`: such twins go.
fn remove_underscores(fields: &mut HeaderMap) {
    let twins: Vec<HeaderName> = fields.keys().filter(|name| name.as_str().contains('_')).cloned().collect();
    for name in twins {
        fields.remove(name);
    }
}

/// Takes what concerns only the endpoint's hop out of a response. Returns whether its connection ends with it.
pub fn returned(fields: &mut HeaderMap) -> Result<bool, Error> {
    let found = survey(fields);
    if found.transfer_encodings > 0 {
        // Only the chunks have been taken off: under another coding the body would be something else than its fields say.
        check_transfer_encoding(fields, found.transfer_encodings).map_err(|_| Error::BadResponse)?;
    }
    Ok(remove_hop_by_hop(fields, &found))
}

/// The same for the response that changes the protocol, which names it (RFC 9110 §15.2.2).
pub fn returned_upgrade(fields: &mut HeaderMap) -> Result<(), Error> {
    let protocol = fields.get(header::UPGRADE).cloned().ok_or(Error::BadResponse)?;
    returned(fields)?;
    name_upgrade(fields, protocol);
    Ok(())
}

/// Whether a cache shared by several clients may keep a response (RFC 9111 §3): such a response must not carry a cookie
/// that names one visitor.
pub fn is_publicly_cacheable(fields: &HeaderMap) -> bool {
    if !fields.contains_key(header::CACHE_CONTROL) {
        return false;
    }
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

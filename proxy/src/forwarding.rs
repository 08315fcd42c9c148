//! PURE. What an endpoint is told of the client: lines that go into the head of a request behind its first line.
//!
//! They are kept as text and never become fields of the request: four insertions into a map of fields would cost more
//! than finding the route, the visitor and the version together.

use std::net::IpAddr;

use http::HeaderValue;

use crate::worker::RequestId;

/// The lines about one request.
pub(crate) struct Forwarding<'a> {
    /// The lines that are the same for all requests of the client's connection.
    pub(crate) client: &'a [u8],
    /// The host that the client asked for.
    pub(crate) host: &'a HeaderValue,
    /// Whether the client asks for another protocol.
    pub(crate) upgrades: bool,
    /// Identifies the request in the logs of everybody it passes; `None` where the client has named it.
    pub(crate) id: Option<RequestId>,
}

/// The lines about the client of a connection; `secure` where it speaks TLS.
pub(crate) fn client_lines(address: IpAddr, secure: bool) -> Vec<u8> {
    let scheme = if secure { "https" } else { "http" };
    format!("x-forwarded-for: {address}\r\nx-forwarded-proto: {scheme}\r\n").into_bytes()
}

impl Forwarding<'_> {
    /// Adds the lines, each with its end.
    pub(crate) fn write_to(&self, out: &mut Vec<u8>) {
        let Self { client, host, upgrades: _, id } = self;
        out.extend_from_slice(client);
        out.extend_from_slice(b"x-forwarded-host: ");
        out.extend_from_slice(host.as_bytes());
        out.extend_from_slice(b"\r\n");
        if let Some(id) = id {
            out.extend_from_slice(b"x-request-id: ");
            out.extend_from_slice(id.as_bytes());
            out.extend_from_slice(b"\r\n");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_told_of_in_whole_lines() {
        let client = client_lines([192, 0, 2, 1].into(), false);
        let host = HeaderValue::from_static("shop.example:8080");
        let forwarding = Forwarding { client: &client, host: &host, upgrades: false, id: None };
        let mut text = Vec::new();
        forwarding.write_to(&mut text);
        let expected =
            "x-forwarded-for: 192.0.2.1\r\nx-forwarded-proto: http\r\nx-forwarded-host: shop.example:8080\r\n";
        assert_eq!(String::from_utf8(text).unwrap(), expected);
    }
}

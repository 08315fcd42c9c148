//! Every timeout of the data plane by name, with its default.

use serde::{Deserialize, Serialize};

use crate::problem::Problems;
use crate::span::Span;

/// How long the proxy waits for what. Each is measured with a grain of 50 ms.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Timeouts {
    /// From the first byte of a request head to its last: cuts slow-header attacks. Default 10s.
    pub header_read: Span,
    /// Between two requests of a client connection. Longer than clients keep one that they do not use, such as Go's and hyper's
    /// (90 s) and the load balancers of AWS (60 s): the side that gives up first loses nothing, the other one a request that
    /// it sends in that moment. Default 100s.
    pub client_idle: Span,
    /// To open a connection to an endpoint. Default 1s.
    pub connect: Span,
    /// From the end of a request to the head of its response, retries included. Default 15s.
    pub request: Span,
    /// Without a byte of either body moving. Default 30s.
    pub body_idle: Span,
    /// An unused connection to an endpoint is kept this long; shorter than the 5 s at which common servers close
    /// theirs, so that we rarely send into a closing one. Default 4s.
    pub endpoint_idle: Span,
    /// Without a byte in either direction on a connection that was upgraded to another protocol, such as `WebSocket`. Many of
    /// those say nothing for minutes; an hour is past what their own pings allow. Default 1h.
    pub upgrade_idle: Span,
    /// From the signal to stop until open requests are cut. Default 30s.
    pub drain: Span,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            header_read: Span::from_secs(10),
            client_idle: Span::from_secs(100),
            connect: Span::from_secs(1),
            request: Span::from_secs(15),
            body_idle: Span::from_secs(30),
            endpoint_idle: Span::from_secs(4),
            upgrade_idle: Span::from_secs(3_600),
            drain: Span::from_secs(30),
        }
    }
}

impl Timeouts {
    /// Refuses timeouts of zero: a connection that may wait for ever is a leak, one that may not wait at all is useless.
    pub(crate) fn check(&self, problems: &mut Problems) {
        let Self { header_read, client_idle, connect, request, body_idle, endpoint_idle, upgrade_idle, drain: _ } =
            self;
        let named = [
            ("headerRead", header_read),
            ("clientIdle", client_idle),
            ("connect", connect),
            ("request", request),
            ("bodyIdle", body_idle),
            ("endpointIdle", endpoint_idle),
            ("upgradeIdle", upgrade_idle),
        ];
        for (name, span) in named {
            if *span < Span::from_millis(50) {
                problems.add(format!("timeouts.{name}"), format!("{span} is too short"), "50ms or more");
            }
        }
    }
}

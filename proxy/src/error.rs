//! Why a request got no answer from its service, and the one answer that each reason means.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};

use crate::body::ResponseBody;
use crate::snapshot::Refusal;

/// The field that names the reason, for machines.
pub(crate) const REASON: &str = "x-tidegate-reason";

/// A request that the proxy answers itself.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The request line or a field is not what RFC 9110 and 9112 allow.
    #[error("the request is malformed: {0}")]
    Malformed(&'static str),
    /// The request target is longer than we take.
    #[error("the request target is too long")]
    TargetTooLong,
    /// The body is longer than `limits.requestBodyBytes`.
    #[error("the request body is too large")]
    BodyTooLarge,
    /// A method or protocol change that a proxy of this kind does not do.
    #[error("{0} is not supported")]
    Unsupported(&'static str),
    /// No route takes the request.
    #[error("no route for this host and path")]
    NoRoute,
    /// The connection was opened for another listener (RFC 9110 §15.5.20).
    #[error("this connection was opened for another host; open one for this host")]
    Misdirected,
    /// More requests are in flight than `limits.requestsInFlight`.
    #[error("too many requests in flight")]
    Overloaded,
    /// The version is configured to refuse.
    #[error("refused")]
    Refused(Arc<Refusal>),
    /// The version has no endpoint at all.
    #[error("no endpoint")]
    NoEndpoint,
    /// No connection to an endpoint could be opened.
    #[error("cannot connect to an endpoint")]
    Connect(#[source] io::Error),
    /// The connection was not open in time.
    #[error("no connection to an endpoint in time")]
    ConnectTimeout,
    /// The connection ended or broke before the head of the response.
    #[error("the endpoint closed the connection without a response")]
    Reset(#[source] hyper::Error),
    /// The endpoint answered with something that is no valid response.
    #[error("the endpoint's response is malformed")]
    BadResponse,
    /// The head of the response did not come in time.
    #[error("no response in time")]
    RequestTimeout,
    /// The client's body stopped coming.
    #[error("the request body stopped")]
    BodyTimeout,
    /// The client went away while it was sending.
    #[error("the client closed its connection")]
    ClientGone,
}

impl Error {
    /// The status and the reason that a client sees.
    pub fn answer(&self) -> (StatusCode, &'static str) {
        match self {
            Self::Malformed(_) => (StatusCode::BAD_REQUEST, "malformed-request"),
            Self::TargetTooLong => (StatusCode::URI_TOO_LONG, "target-too-long"),
            Self::BodyTooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "body-too-large"),
            Self::Unsupported(_) => (StatusCode::NOT_IMPLEMENTED, "not-supported"),
            Self::NoRoute => (StatusCode::NOT_FOUND, "no-route"),
            Self::Misdirected => (StatusCode::MISDIRECTED_REQUEST, "misdirected"),
            Self::Overloaded => (StatusCode::SERVICE_UNAVAILABLE, "overloaded"),
            Self::Refused(refusal) => (refusal.status, "refused"),
            Self::NoEndpoint => (StatusCode::SERVICE_UNAVAILABLE, "no-endpoint"),
            Self::Connect(_) => (StatusCode::BAD_GATEWAY, "connect-failed"),
            Self::ConnectTimeout => (StatusCode::GATEWAY_TIMEOUT, "connect-timeout"),
            Self::Reset(_) => (StatusCode::BAD_GATEWAY, "endpoint-reset"),
            Self::BadResponse => (StatusCode::BAD_GATEWAY, "bad-response"),
            Self::RequestTimeout => (StatusCode::GATEWAY_TIMEOUT, "request-timeout"),
            Self::BodyTimeout => (StatusCode::REQUEST_TIMEOUT, "body-timeout"),
            Self::ClientGone => (StatusCode::BAD_REQUEST, "client-gone"),
        }
    }

    /// The response in plain text.
    pub fn response(&self) -> Response<ResponseBody> {
        let (status, reason) = self.answer();
        let mut response = Response::new(ResponseBody::text(Bytes::from(format!("{self}\n"))));
        *response.status_mut() = status;
        let fields = response.headers_mut();
        fields.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        let written = if let Self::Refused(refusal) = self { Some(refusal.reason.clone()) } else { None };
        fields.insert(REASON, written.unwrap_or(HeaderValue::from_static(reason)));
        if status == StatusCode::SERVICE_UNAVAILABLE {
            fields.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        if matches!(self, Self::Malformed(_) | Self::BodyTooLarge | Self::BodyTimeout | Self::ClientGone) {
            // What follows on this connection may be the rest of a message we did not understand.
            fields.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

//! What a proxy may ask: its stream of publications, and to be heard.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full, Limited};
use hyper::body::Body;
use tidegate_config::limits;
use tidegate_config::wire::{ACKNOWLEDGEMENTS, Acknowledgement, CONTENT_TYPE, PUBLICATIONS, Refusal};
use tokio::sync::watch;
use tokio::time::timeout;

use super::connection::Phase;
use super::identity::{Denied, Identity};
use super::{Acknowledged, Authenticator, Distribution, Feed, stream};

/// The body of an answer.
pub(super) type Answer = Response<UnsyncBoxBody<Bytes, Infallible>>;

impl<A: Authenticator, F: Feed, K: Acknowledged> Distribution<A, F, K> {
    /// Answers one request.
    pub(super) async fn answer<B>(&self, request: Request<B>, phase: Arc<watch::Sender<Phase>>) -> Answer
    where
        B: Body + Send,
        B::Data: Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let allowed = match request.uri().path() {
            PUBLICATIONS => Method::GET,
            ACKNOWLEDGEMENTS => Method::POST,
            _ => {
                let known = format!("known: {PUBLICATIONS}, {ACKNOWLEDGEMENTS}");
                return refusal(StatusCode::NOT_FOUND, "not-found", &known);
            }
        };
        if *request.method() != allowed {
            let mut answer = refusal(StatusCode::METHOD_NOT_ALLOWED, "method", &format!("only {allowed}"));
            answer.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allowed_text(&allowed)));
            return answer;
        }
        let identity = match self.identity(request.headers()).await {
            Ok(identity) => identity,
            Err(denied) => return denial(&denied),
        };
        if allowed == Method::GET {
            return self.stream(&identity, phase);
        }
        phase.send_if_modified(greeted);
        match acknowledgement(request.into_body()).await {
            Ok(acknowledgement) => {
                self.acknowledged.note(&identity, acknowledgement);
                let mut answer = Response::new(Empty::new().boxed_unsync());
                *answer.status_mut() = StatusCode::NO_CONTENT;
                answer
            }
            Err(answer) => *answer,
        }
    }

    async fn identity(&self, headers: &HeaderMap) -> Result<Identity, Denied> {
        let missing =
            || Denied::Unauthenticated("the request has no token; allowed: Authorization: Bearer TOKEN".into());
        let header = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).ok_or_else(missing)?;
        let (scheme, token) = header.split_once(' ').ok_or_else(missing)?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(missing());
        }
        self.authenticator.authenticate(token.trim()).await
    }

    fn stream(&self, identity: &Identity, phase: Arc<watch::Sender<Phase>>) -> Answer {
        let publications = match self.feed.subscribe(identity) {
            Ok(publications) => publications,
            Err(denied) => return denial(&denied),
        };
        phase.send_if_modified(greeted);
        let mut answer = Response::new(
            stream::body(publications, Arc::clone(&self.lines), phase, stream::life(identity)).boxed_unsync(),
        );
        answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
        answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        answer
    }
}

fn greeted(phase: &mut Phase) -> bool {
    let first = *phase == Phase::Greeting;
    if first {
        *phase = Phase::Known;
    }
    first
}

const fn allowed_text(method: &Method) -> &'static str {
    if matches!(*method, Method::GET) { "GET" } else { "POST" }
}

async fn acknowledgement<B>(body: B) -> Result<Acknowledgement, Box<Answer>>
where
    B: Body + Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let wrong = |status, reason, message: &str| Box::new(refusal(status, reason, message));
    let limit = Duration::from_secs(limits::PROXY_GREETING_SECONDS.into());
    let read = Limited::new(body, limits::ACKNOWLEDGEMENT_BYTES_MAX).collect();
    let body = match timeout(limit, read).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(_)) => {
            let message = format!("at most {} bytes", limits::ACKNOWLEDGEMENT_BYTES_MAX);
            return Err(wrong(StatusCode::PAYLOAD_TOO_LARGE, "body", &message));
        }
        Err(_) => return Err(wrong(StatusCode::REQUEST_TIMEOUT, "body-timeout", "the body did not come in time")),
    };
    let read = Acknowledgement::read(&body);
    read.map_err(|error| {
        wrong(StatusCode::BAD_REQUEST, "malformed", &format!("the body is no acknowledgement: {error}"))
    })
}

fn denial(denied: &Denied) -> Answer {
    let mut answer = refusal(denied.status(), denied.reason(), &denied.to_string());
    match denied {
        Denied::Unauthenticated(_) => {
            answer.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        Denied::NotReady(_) => drop(answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"))),
        Denied::Forbidden(_) => {}
    }
    answer
}

/// An error: for programs `reason`, for people `message`.
fn refusal(status: StatusCode, reason: &str, message: &str) -> Answer {
    let refusal = Refusal { reason: reason.to_owned(), message: message.to_owned() };
    // Two texts can always be written.
    let body = refusal.body().unwrap_or_default();
    let mut answer = Response::new(Full::new(Bytes::from(body)).boxed_unsync());
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}

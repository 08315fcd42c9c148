//! From a request to an answer.

use std::convert::Infallible;
use std::time::Duration;

use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use serde::Serialize;
use tidegate_config::Name;
use tidegate_config::limits::COMMAND_BYTES_MAX;

use super::{CommandBody, ProblemBody};
use crate::engine::{Command, Verb};
use crate::limits::{ACTOR_BYTES_MAX, CONTROL_TIMEOUT_SECONDS};
use crate::proxies::in_words;
use crate::reconcile::{Denied, Handle};

const PATHS: &str = "GET /v1/status, GET /v1/status/SERVICE, GET /v1/explain/SERVICE, \
    POST /v1/rollouts/SERVICE/{promote|abort|pause|resume}";

/// A request that was not carried out.
struct Problem {
    status: StatusCode,
    body: ProblemBody,
    /// The methods there are, where another was used.
    allow: Option<&'static str>,
}

/// Answers one request; `user` is at the other end.
pub(super) async fn answer(
    request: Request<Incoming>,
    handle: &Handle,
    user: &str,
) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(match carry_out(request, handle, user).await {
        Ok(body) => response(StatusCode::OK, body),
        Err(Problem { status, body, allow }) => {
            let mut response = response(status, json(&body).unwrap_or_default());
            if let Some(allow) = allow {
                response.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
            }
            response
        }
    })
}

async fn carry_out(request: Request<Incoming>, handle: &Handle, user: &str) -> Result<Bytes, Problem> {
    let path = request.uri().path().to_owned();
    let parts: Vec<&str> = path.trim_end_matches('/').split('/').skip(1).collect();
    match parts.as_slice() {
        ["v1", "status"] => {
            only(&request, &Method::GET)?;
            json(&handle.overview().await?)
        }
        ["v1", "status", service] => {
            only(&request, &Method::GET)?;
            json(&handle.report(name(service, handle).await?).await?)
        }
        ["v1", "explain", service] => {
            only(&request, &Method::GET)?;
            json(&handle.explain(name(service, handle).await?).await?)
        }
        ["v1", "rollouts", service, verb] => {
            only(&request, &Method::POST)?;
            let service = name(service, handle).await?;
            let command = command(verb, body(request).await?, user)?;
            json(&handle.command(service, command).await?)
        }
        _ => Err(Problem::new(StatusCode::NOT_FOUND, format!("there is no {path}"), PATHS)),
    }
}

fn only(request: &Request<Incoming>, method: &Method) -> Result<(), Problem> {
    if request.method() == method {
        return Ok(());
    }
    let allow = if method == Method::GET { "GET" } else { "POST" };
    let wrong = format!("{} does not apply to {}", request.method(), request.uri().path());
    Err(Problem { allow: Some(allow), ..Problem::new(StatusCode::METHOD_NOT_ALLOWED, wrong, allow) })
}

/// A service in a path. What is no name is no service either.
async fn name(text: &str, handle: &Handle) -> Result<Name, Problem> {
    if let Ok(name) = text.parse() {
        return Ok(name);
    }
    let known = handle.overview().await?.services.into_iter().map(|view| view.service).collect();
    Err(Denied::UnknownService { service: text.chars().take(64).collect(), known }.into())
}

async fn body(request: Request<Incoming>) -> Result<CommandBody, Problem> {
    let form = "a JSON object such as {\"actor\": \"ada\", \"full\": false}, or nothing";
    let limited = Limited::new(request.into_body(), COMMAND_BYTES_MAX).collect();
    let deadline = Duration::from_secs(CONTROL_TIMEOUT_SECONDS);
    let collected = tokio::time::timeout(deadline, limited).await;
    let collected = collected.map_err(|_| Problem::new(StatusCode::REQUEST_TIMEOUT, "the body did not come", form))?;
    let bytes = collected.map_err(|error| {
        if error.is::<LengthLimitError>() {
            let allowed = format!("at most {COMMAND_BYTES_MAX} bytes");
            return Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large", allowed);
        }
        Problem::new(StatusCode::BAD_REQUEST, "the body broke off", form)
    })?;
    let bytes = bytes.to_bytes();
    if bytes.is_empty() {
        return Ok(CommandBody::default());
    }
    serde_json::from_slice(&bytes).map_err(|error| Problem::new(StatusCode::BAD_REQUEST, error.to_string(), form))
}

fn command(verb: &str, body: CommandBody, user: &str) -> Result<Command, Problem> {
    let CommandBody { actor, full, version } = body;
    let verb = match verb {
        "promote" => Verb::Promote { full },
        "abort" => Verb::Abort,
        "pause" => Verb::Pause,
        "resume" => Verb::Resume,
        _ => {
            let wrong = format!("there is no command \"{verb}\"");
            return Err(Problem::new(StatusCode::NOT_FOUND, wrong, "promote, abort, pause, resume"));
        }
    };
    if full && !matches!(verb, Verb::Promote { .. }) {
        return Err(Problem::new(StatusCode::BAD_REQUEST, format!("full does not apply to {verb}"), "promote only"));
    }
    let actor = actor.filter(|actor| !actor.is_empty()).unwrap_or_else(|| user.to_owned());
    if actor.len() > ACTOR_BYTES_MAX || actor.chars().any(char::is_control) {
        let allowed = format!("a text of at most {ACTOR_BYTES_MAX} bytes without control characters");
        return Err(Problem::new(StatusCode::BAD_REQUEST, "the actor is no name", allowed));
    }
    let version = version.map(|version| {
        let wrong =
            |_| Problem::new(StatusCode::BAD_REQUEST, format!("\"{version}\" is no name"), "a version that is tried");
        version.parse::<Name>().map_err(wrong)
    });
    Ok(Command { verb, actor, version: version.transpose()? })
}

impl Problem {
    fn new(status: StatusCode, error: impl Into<String>, allowed: impl Into<String>) -> Self {
        Self { status, body: ProblemBody { error: error.into(), allowed: allowed.into() }, allow: None }
    }
}

impl From<Denied> for Problem {
    fn from(denied: Denied) -> Self {
        let error = in_words(&denied);
        match denied {
            Denied::UnknownService { known, .. } => {
                let known = known.iter().map(Name::as_str).collect::<Vec<_>>().join(", ");
                Self::new(StatusCode::NOT_FOUND, error, known)
            }
            Denied::NoRollout { .. } => {
                Self::new(StatusCode::CONFLICT, error, "a canary and a rollout for this service in the file")
            }
            Denied::Refused(refusal) => {
                let error = format!("cannot {}: {}", refusal.verb, refusal.wrong);
                Self::new(StatusCode::CONFLICT, error, refusal.possible)
            }
            Denied::Failed(_) => {
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, error, "the same again once state can be written")
            }
            Denied::Busy => Self::new(StatusCode::SERVICE_UNAVAILABLE, error, "the same again in a moment"),
        }
    }
}

fn json(value: &impl Serialize) -> Result<Bytes, Problem> {
    let text = serde_json::to_vec(value);
    text.map(Bytes::from).map_err(|error| {
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, format!("the answer is no JSON: {error}"), "a report of this")
    })
}

fn response(status: StatusCode, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

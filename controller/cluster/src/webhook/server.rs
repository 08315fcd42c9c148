//! The webhook's side of HTTP. TLS and connections are the caller's.

use std::error::Error;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Body;
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use kube::core::DynamicObject;
use kube::core::admission::{AdmissionRequest, AdmissionResponse, AdmissionReview, META_API_VERSION_V1};
use tidegate_config::limits::{ADMISSION_BYTES_MAX, ADMISSION_MILLISECONDS, REVISION_WAIT_MILLISECONDS};
use tokio::sync::watch;
use tokio::time::timeout;

use super::gate::{Gate, gate};
use super::review::{Known, Notice, Review, review};

/// Where the API server asks.
pub const PATH: &str = "/v1/pods";

/// An answer, and what is to be told besides.
#[derive(Debug)]
pub struct Handled {
    /// The answer. Any status but 200 lets the pod pass unchanged (`failurePolicy: Ignore`).
    pub response: Response<Full<Bytes>>,
    /// What is to become an Event.
    pub notices: Vec<Notice>,
}

/// Why a request gets no review. One `match` says with which status.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("allowed: {PATH}")]
    Path,
    #[error("allowed: POST")]
    Method,
    #[error("allowed: at most {ADMISSION_BYTES_MAX} bytes")]
    TooLarge,
    #[error("the body cannot be read: {0}")]
    Broken(Box<dyn Error + Send + Sync>),
    #[error("{0}; allowed: an AdmissionReview of {META_API_VERSION_V1}")]
    Malformed(String),
    #[error("the cluster's objects are not known yet; the pod may be created as it is")]
    NotReady,
    #[error("no answer in time; the pod may be created as it is")]
    Late,
    #[error("the answer cannot be written: {0}")]
    Unwritable(String),
}

/// Answers one request within [`ADMISSION_MILLISECONDS`]. `known` is `None` until the cluster's objects are known.
pub async fn handle<B>(request: Request<B>, known: &watch::Receiver<Option<Known>>) -> Handled
where
    B: Body,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let work = answer(request, known.clone());
    let answered = timeout(Duration::from_millis(ADMISSION_MILLISECONDS), work).await;
    answered.unwrap_or(Err(Refusal::Late)).unwrap_or_else(|refusal| refusal.handled())
}

async fn answer<B>(request: Request<B>, mut known: watch::Receiver<Option<Known>>) -> Result<Handled, Refusal>
where
    B: Body,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    if request.uri().path() != PATH {
        return Err(Refusal::Path);
    }
    if request.method() != Method::POST {
        return Err(Refusal::Method);
    }
    let body = Limited::new(request.into_body(), ADMISSION_BYTES_MAX)
        .collect()
        .await
        .map_err(|error| if error.is::<LengthLimitError>() { Refusal::TooLarge } else { Refusal::Broken(error) })?;
    let request = read(&body.to_bytes())?;
    if known.borrow().is_none() {
        return Err(Refusal::NotReady);
    }
    let gate = decided(&request, &mut known).await;
    let Some(latest) = known.borrow().clone() else { return Err(Refusal::NotReady) };
    let Review { patch, warnings, notices } = or_unchanged(|| review(&request, &latest, &gate));
    let mut response = AdmissionResponse::from(&request);
    if !patch.0.is_empty() {
        response = response.with_patch(patch).map_err(|error| Refusal::Unwritable(error.to_string()))?;
    }
    response.warnings = (!warnings.is_empty()).then_some(warnings);
    let text = serde_json::to_vec(&response.into_review()).map_err(|error| Refusal::Unwritable(error.to_string()))?;
    Ok(Handled { response: with_type(StatusCode::OK, "application/json", text.into()), notices })
}

fn read(body: &[u8]) -> Result<AdmissionRequest<DynamicObject>, Refusal> {
    let review: AdmissionReview<DynamicObject> =
        serde_json::from_slice(body).map_err(|error| Refusal::Malformed(error.to_string()))?;
    if review.types.api_version != META_API_VERSION_V1 {
        return Err(Refusal::Malformed(format!("apiVersion: {}", review.types.api_version)));
    }
    review.try_into().map_err(|_| Refusal::Malformed("request: missing".to_owned()))
}

/// The gate of the pod. A replica set and its first pod are made within milliseconds, so the record may hear of a revision
/// after we are asked: that moment is waited for, or its first pods would pass.
async fn decided(request: &AdmissionRequest<DynamicObject>, known: &mut watch::Receiver<Option<Known>>) -> Gate {
    let Some(pod) = &request.object else { return Gate::Unseen };
    let namespace = request.namespace.as_deref().unwrap_or_default();
    let decide = |known: &Option<Known>| {
        known.as_ref().map_or(Gate::Unseen, |known| gate(namespace, &pod.metadata, &known.valves))
    };
    let seen = known.wait_for(|known| decide(known) != Gate::Unseen);
    let decided = timeout(Duration::from_millis(REVISION_WAIT_MILLISECONDS), seen).await;
    match decided {
        Ok(Ok(known)) => decide(&known),
        _ => Gate::Unseen,
    }
}

/// What could not be thought to the end leaves the pod as it is.
fn or_unchanged(work: impl FnOnce() -> Review) -> Review {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Review {
        warnings: vec!["tidegate: an error of ours; the pod is created as it is".to_owned()],
        ..Review::default()
    })
}

impl Refusal {
    fn status(&self) -> StatusCode {
        match self {
            Self::Path => StatusCode::NOT_FOUND,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Broken(_) | Self::Malformed(_) => StatusCode::BAD_REQUEST,
            Self::NotReady | Self::Late => StatusCode::SERVICE_UNAVAILABLE,
            Self::Unwritable(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn handled(&self) -> Handled {
        let text = Bytes::from(format!("{self}\n"));
        let mut response = with_type(self.status(), "text/plain; charset=utf-8", text);
        if matches!(self, Self::Method) {
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
        }
        Handled { response, notices: Vec::new() }
    }
}

fn with_type(status: StatusCode, kind: &'static str, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_ours_costs_no_pod() {
        let review = or_unchanged(|| panic!("the answer to everything"));
        assert!(review.patch.0.is_empty());
        assert_eq!(review.warnings.len(), 1);
    }
}

//! The same over HTTP.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Method, Request, StatusCode};
use json_patch::Patch;
use serde_json::{Value, json};
use tidegate_cluster::webhook::{Handled, Known, PATH, PROMOTED, Standing, handle};
use tidegate_cluster::world::Key;
use tidegate_config::limits::ADMISSION_BYTES_MAX;
use tokio::sync::watch;
use tokio::time::Instant;

use super::setting::{SERVICE, known, pod, question};

async fn asked(method: Method, path: &str, body: impl Into<Bytes>, known: &watch::Receiver<Option<Known>>) -> Handled {
    let request = Request::builder().method(method).uri(path).body(Full::new(body.into())).unwrap();
    handle(request, known).await
}

/// Asks about a pod; gives the response part of the answer and the pod as it would be created.
async fn created(pod: &Value, known: &watch::Receiver<Option<Known>>) -> (Value, Value) {
    let handled = asked(Method::POST, PATH, question(pod).to_string(), known).await;
    assert_eq!(handled.response.status(), StatusCode::OK);
    let body = handled.response.into_body().collect().await.unwrap().to_bytes();
    let answer: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!((&answer["kind"], &answer["apiVersion"]), (&json!("AdmissionReview"), &json!("admission.k8s.io/v1")));
    let response = answer["response"].clone();
    assert_eq!((&response["uid"], &response["allowed"]), (&json!("question-1"), &json!(true)));
    let mut after = pod.clone();
    // Bytes, as a list of numbers: the API server reads that as well as base64.
    if let Some(bytes) = serde_json::from_value::<Option<Vec<u8>>>(response["patch"].clone()).unwrap() {
        assert_eq!(response["patchType"], "JSONPatch");
        let patch: Patch = serde_json::from_slice(&bytes).unwrap();
        json_patch::patch(&mut after, &patch).unwrap();
    }
    (response, after)
}

#[tokio::test]
async fn a_pod_comes_back_changed_or_with_a_warning() {
    let (_sender, good) = watch::channel(Some(known(SERVICE)));
    let (response, after) = created(&pod("new"), &good).await;
    assert_eq!(after["spec"]["initContainers"][0]["name"], "tidegate-proxy");
    assert_eq!(after["spec"]["readinessGates"][0]["conditionType"], PROMOTED);
    assert!(response["warnings"].is_null(), "{response}");
    let (_sender, bad) = watch::channel(Some(known(&SERVICE.replace("10.0.0.1", "None"))));
    let (response, after) = created(&pod("old"), &bad).await;
    assert_eq!(after, pod("old"));
    assert_eq!(response["warnings"].as_array().map(Vec::len), Some(1), "{response}");
}

#[tokio::test(start_paused = true)]
async fn a_revision_that_is_not_on_record_yet_is_waited_for() {
    let (sender, receiver) = watch::channel(Some(known(SERVICE)));
    let newer = pod("newer");
    let (begin, question) = (Instant::now(), created(&newer, &receiver));
    let told = async {
        tokio::time::sleep(Duration::from_millis(40)).await;
        sender.send_modify(|known| {
            let valves = &mut known.as_mut().unwrap().valves;
            let valve = Arc::make_mut(valves).deployments.get_mut(&Key::new("market", "shop")).unwrap();
            valve.revisions.insert("uid-newer".to_owned(), Standing::Candidate);
        });
    };
    let ((_, after), ()) = tokio::join!(question, told);
    assert_eq!(after["spec"]["readinessGates"][0]["conditionType"], PROMOTED);
    assert_eq!(begin.elapsed(), Duration::from_millis(40));
}

#[tokio::test(start_paused = true)]
async fn a_revision_that_nobody_hears_of_is_not_held() {
    let (_sender, receiver) = watch::channel(Some(known(SERVICE)));
    let begin = Instant::now();
    let (_, after) = created(&pod("newer"), &receiver).await;
    assert!(after["spec"]["readinessGates"].is_null());
    assert_eq!(after["spec"]["initContainers"][0]["name"], "tidegate-proxy", "the rest is done");
    assert!((1_000..1_500).contains(&begin.elapsed().as_millis()), "{:?}", begin.elapsed());
}

#[tokio::test]
async fn what_is_no_question_is_told_so() {
    let (_sender, known) = watch::channel(Some(known(SERVICE)));
    let good = question(&pod("new"));
    let mut other = good.clone();
    other["apiVersion"] = "admission.k8s.io/v1beta1".into();
    let mut empty = good.clone();
    empty["request"] = Value::Null;
    for (method, path, body, status, words) in [
        (Method::GET, PATH, String::new(), 405, "allowed: POST"),
        (Method::POST, "/", good.to_string(), 404, "allowed: /v1/pods"),
        (Method::POST, PATH, "{".to_owned(), 400, "allowed: an AdmissionReview of admission.k8s.io/v1"),
        (Method::POST, PATH, other.to_string(), 400, "apiVersion: admission.k8s.io/v1beta1"),
        (Method::POST, PATH, empty.to_string(), 400, "request: missing"),
        (Method::POST, PATH, " ".repeat(ADMISSION_BYTES_MAX + 1), 413, "allowed: at most 6291456 bytes"),
    ] {
        let handled = asked(method, path, body, &known).await;
        assert_eq!(handled.response.status().as_u16(), status);
        let body = handled.response.into_body().collect().await.unwrap().to_bytes();
        let text = String::from_utf8_lossy(&body);
        assert!(text.contains(words), "{status}: {text}");
    }
}

#[tokio::test]
async fn before_anything_is_known_nobody_is_told_that_a_pod_needs_nothing() {
    let (_sender, nothing) = watch::channel(None);
    let handled = asked(Method::POST, PATH, question(&pod("new")).to_string(), &nothing).await;
    assert_eq!(handled.response.status(), StatusCode::SERVICE_UNAVAILABLE);
}

/// A body whose end never comes.
struct Endless;

impl hyper::body::Body for Endless {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<Bytes>, Self::Error>>> {
        std::task::Poll::Pending
    }
}

#[tokio::test(start_paused = true)]
async fn no_pod_waits_longer_than_its_budget() {
    let (_sender, known) = watch::channel(Some(known(SERVICE)));
    let begin = Instant::now();
    let request = Request::post(PATH).body(Endless).unwrap();
    assert_eq!(handle(request, &known).await.response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(begin.elapsed(), Duration::from_millis(1_500));
}

#[test]
fn it_can_be_run_on_any_thread() {
    fn is_send<T: Send>(_: T) {}
    let (_sender, known) = watch::channel(Some(known(SERVICE)));
    is_send(handle(Request::new(Full::<Bytes>::default()), &known));
}

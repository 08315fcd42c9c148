//! Operators on a real socket.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tidegate_controller::client::{Client, ClientError};
use tidegate_controller::control::{Control, ControlError, SOCKET};
use tidegate_controller::engine::{Phase, Verb};
use tidegate_controller::reconcile::asks;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use crate::setting::{FILE, Setting, shop};

/// A running instance; dropping the sender stops it.
struct Running {
    setting: Setting,
    _stop: oneshot::Sender<()>,
    tasks: JoinSet<()>,
}

async fn start() -> Running {
    let mut setting = Setting::new(FILE).await;
    let controller = setting.controller.take().unwrap();
    setting.proxy.take(controller.publications().borrow().clone());
    let (handle, asks) = asks();
    let (stop, stopped) = oneshot::channel::<()>();
    let control = Control::bind(setting.directory.path()).unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let shutdown = async { drop(stopped.await) };
        controller.run(asks, None, shutdown).await.unwrap();
    });
    tasks.spawn(control.serve(handle));
    Running { setting, _stop: stop, tasks }
}

/// Sends bytes over the socket and returns the status and the body.
async fn raw(state_dir: &Path, request: &str) -> (u16, String) {
    let mut stream = UnixStream::connect(state_dir.join(SOCKET)).await.unwrap();
    // The server may answer and hang up before it has read everything.
    let _ = stream.write_all(request.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    let answer = String::from_utf8(answer).unwrap();
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    (status, answer.split_once("\r\n\r\n").unwrap().1.to_owned())
}

fn post(path: &str, body: &str) -> String {
    let length = body.len();
    format!("POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}")
}

#[tokio::test]
async fn operators_steer_a_rollout() {
    let running = start().await;
    let client = Client::connect(running.setting.directory.path()).await.unwrap();
    let phase = |view: tidegate_controller::view::ServiceView| view.rollout.unwrap().phase;
    assert_eq!(phase(client.command(&shop(), Verb::Pause, None, None).await.unwrap()), Phase::Paused);
    let Err(ClientError::Refused { status, error, allowed }) = client.command(&shop(), Verb::Pause, None, None).await
    else {
        panic!("paused twice");
    };
    assert!(status == 409 && error.contains("paused already") && allowed.contains("resume"), "{error}; {allowed}");
    assert_eq!(phase(client.command(&shop(), Verb::Resume, None, None).await.unwrap()), Phase::Progressing);
    let promote = Verb::Promote { full: true };
    let view = client.command(&shop(), promote, None, Some("ada".into())).await.unwrap();
    assert_eq!((view.stable.as_str(), phase(view.clone())), ("v2", Phase::Promoted));
    assert_eq!(client.status(&shop()).await.unwrap().stable.as_str(), "v2");
    let overview = client.overview().await.unwrap();
    assert_eq!((overview.services.len(), overview.store_error), (1, None));
    let explained = client.explain(&shop()).await.unwrap();
    let last = explained.decisions.last().unwrap();
    assert_eq!(last.logged.record.actor, "ada");
    let first = explained.decisions.iter().map(|it| &it.logged.record).find(|it| it.actor != "tidegate").unwrap();
    assert!(!first.actor.is_empty(), "the user at the other end");
    assert!(explained.words.is_some());
    let Err(ClientError::Refused { status, .. }) = client.command(&shop(), Verb::Abort, None, None).await else {
        panic!("aborted after the end");
    };
    assert_eq!(status, 409);
}

#[tokio::test]
async fn every_mistake_has_its_answer() {
    let running = start().await;
    let state_dir = running.setting.directory.path();
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    let huge = format!(
        "POST /v1/rollouts/shop/abort HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 70000\r\n\r\n{}",
        " ".repeat(70_000)
    );
    for (request, status, says) in [
        (get("/v1/status"), 200, "\"generation\":"),
        (get("/v1/status/shop"), 200, "\"stable\":\"v1\""),
        (get("/v1/status/shap"), 404, "\"allowed\":\"shop\""),
        (get("/v1/explain/sh%20p"), 404, "\"allowed\":\"shop\""),
        (get("/v2"), 404, "/v1/explain/SERVICE"),
        (get("/v1/rollouts/shop/abort"), 405, "POST"),
        (post("/v1/status", ""), 405, "GET"),
        (post("/v1/rollouts/shop/destroy", ""), 404, "promote, abort, pause, resume"),
        (post("/v1/rollouts/shop/abort", "{\"actr\": 1}"), 400, "actor"),
        (post("/v1/rollouts/shop/abort", "{\"full\": true}"), 400, "promote only"),
        (post("/v1/rollouts/shop/abort", "{\"actor\": \"a\\nb\"}"), 400, "control characters"),
        (post("/v1/rollouts/shop/resume", "{}"), 409, "not paused"),
        (post("/v1/rollouts/shap/abort", "{}"), 404, "\"allowed\":\"shop\""),
        (huge, 413, "65536"),
    ] {
        let (got, body) = raw(state_dir, &request).await;
        let first = request.lines().next().unwrap();
        assert_eq!(got, status, "{first}: {body}");
        assert!(body.contains(says), "{first}: {body}");
        assert!(serde_json::from_str::<serde_json::Value>(&body).is_ok(), "{first}: {body}");
    }
}

#[tokio::test]
async fn a_dead_socket_is_replaced_and_a_live_one_is_not() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join(SOCKET);
    let Err(error) = Client::connect(directory.path()).await else { panic!("nobody is there") };
    assert!(error.to_string().contains("tidegate run") && error.to_string().contains("--state-dir"), "{error}");
    // An instance that died leaves its file behind.
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    let control = Control::bind(directory.path()).unwrap();
    assert_eq!(fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(matches!(Control::bind(directory.path()), Err(ControlError::InUse(_))));
    drop(control);
    assert!(!socket.exists());
    fs::write(&socket, "precious").unwrap();
    assert!(matches!(Control::bind(directory.path()), Err(ControlError::InTheWay(_))));
    assert_eq!(fs::read_to_string(&socket).unwrap(), "precious");
}

#[tokio::test]
async fn a_stopped_controller_is_said_to_be_stopped() {
    let running = start().await;
    let Running { setting, _stop: stop, mut tasks } = running;
    let client = Client::connect(setting.directory.path()).await.unwrap();
    drop(stop);
    tasks.join_next().await.unwrap().unwrap();
    let Err(ClientError::Refused { status, .. }) = client.overview().await else { panic!("it has stopped") };
    assert_eq!(status, 503);
}

//! An API server with one Rollout, on a free port, and the plugin that asks it.

use std::convert::Infallible;
use std::fs;
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// What no output may hold.
pub(crate) const SECRET: &str = "token-that-nobody-may-see";

/// What the server knows, and how it behaves.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// The object; each change raises its version.
    pub(crate) object: Value,
    /// The states of it that come one after another as soon as somebody watches.
    pub(crate) next: Vec<Value>,
    /// Patches that are refused because somebody else has written.
    pub(crate) conflicts: usize,
    /// What a controller says to a command; `None` where there is none.
    pub(crate) controller: Option<Value>,
    /// The code and the message of every answer instead.
    pub(crate) refuses: Option<(u16, &'static str)>,
    /// The patches.
    pub(crate) patches: Vec<Value>,
}

/// A running server.
pub(crate) struct Api {
    pub(crate) state: Arc<Mutex<State>>,
    pub(crate) address: SocketAddr,
    folder: TempDir,
}

/// What a command came to.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Api {
    /// A server with these manners.
    pub(crate) fn start(state: State) -> Self {
        let state = Arc::new(Mutex::new(state));
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async { serve(TcpListener::from_std(listener).unwrap(), shared).await });
        });
        Self { state, address, folder: TempDir::new().unwrap() }
    }

    /// The kubeconfig that leads to it.
    pub(crate) fn kubeconfig(&self) -> String {
        let kubeconfig = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "here",
            "clusters": [{"name": "c", "cluster": {"server": format!("http://{}", self.address)}}],
            "users": [{"name": "u", "user": {"token": SECRET}}],
            "contexts": [
                {"name": "here", "context": {"cluster": "c", "user": "u", "namespace": "web"}},
                {"name": "there", "context": {"cluster": "c", "user": "u"}},
            ],
        });
        kubeconfig.to_string()
    }

    /// Runs the plugin against it.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        self.run_with(&self.kubeconfig(), arguments)
    }

    /// Runs the plugin with another kubeconfig.
    pub(crate) fn run_with(&self, kubeconfig: &str, arguments: &[&str]) -> Ended {
        let path = self.folder.path().join("config");
        fs::write(&path, kubeconfig).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_kubectl-tidegate"));
        command.args(arguments).env("KUBECONFIG", &path).stdin(Stdio::null());
        let output = command.output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let ended = Ended { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) };
        for printed in [&ended.out, &ended.err] {
            assert!(!printed.contains(SECRET) && !printed.contains("token-that"), "{arguments:?}: {printed}");
        }
        ended
    }
}

async fn serve(listener: TcpListener, state: Arc<Mutex<State>>) {
    let (changed, _) = watch::channel(());
    loop {
        let Ok((stream, _)) = listener.accept().await else { return };
        let (state, changed) = (Arc::clone(&state), changed.clone());
        let service = service_fn(move |request| {
            let (state, changed) = (Arc::clone(&state), changed.clone());
            async move { Ok::<_, Infallible>(answer(request, &state, &changed).await) }
        });
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

type Answer = Response<Full<Bytes>>;

fn with(code: u16, body: &Value) -> Answer {
    Response::builder().status(code).body(Full::new(body.to_string().into())).unwrap()
}

fn refusal(code: u16, message: &str) -> Answer {
    with(code, &json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "message": message}))
}

async fn answer(request: Request<Incoming>, state: &Mutex<State>, changed: &watch::Sender<()>) -> Answer {
    if let Some((code, message)) = state.lock().unwrap().refuses {
        return refusal(code, message);
    }
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let query = request.uri().query().unwrap_or_default().to_owned();
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let rollouts = "/apis/tidegate.dev/v1alpha1/namespaces/web/rollouts";
    let is_list = path == rollouts || path == "/apis/tidegate.dev/v1alpha1/rollouts";
    if method == Method::POST && path == "/apis/authentication.k8s.io/v1/selfsubjectreviews" {
        return with(201, &json!({"status": {"userInfo": {"username": "alice"}}}));
    }
    if is_list && query.contains("watch=true") {
        return next_event(&query, state, changed).await;
    }
    if is_list {
        let state = state.lock().unwrap();
        let version = state.object["metadata"]["resourceVersion"].clone();
        let items = if state.object.is_null() { vec![] } else { vec![state.object.clone()] };
        return with(200, &json!({"kind": "RolloutList", "metadata": {"resourceVersion": version}, "items": items}));
    }
    // There is nothing behind its Service.
    if ["/deployments", "/replicasets", "/pods"].iter().any(|kind| path.ends_with(kind)) {
        return with(200, &json!({"kind": "List", "metadata": {}, "items": []}));
    }
    let mut state = state.lock().unwrap();
    let name = path.strip_prefix(&format!("{rollouts}/")).unwrap_or_default();
    if name.is_empty() || state.object["metadata"]["name"] != name {
        // By the reason a client tells a thing that is not there from a kind that is not.
        let message = format!("rollouts.tidegate.dev \"{name}\" not found");
        return with(
            404,
            &json!({"kind": "Status", "status": "Failure", "code": 404, "reason": "NotFound", "message": message}),
        );
    }
    if method == Method::PATCH {
        return patch(&mut state, &serde_json::from_slice(&body).unwrap(), changed);
    }
    with(200, &state.object)
}

/// The next state of the object after the one that the watcher knows, when there is one.
async fn next_event(query: &str, state: &Mutex<State>, changed: &watch::Sender<()>) -> Answer {
    let mut watched = changed.subscribe();
    loop {
        {
            let mut state = state.lock().unwrap();
            let known = format!("resourceVersion={}", state.object["metadata"]["resourceVersion"].as_str().unwrap());
            if !query.split('&').any(|part| part == known) {
                return with(200, &json!({"type": "MODIFIED", "object": state.object}));
            }
            if !state.next.is_empty() {
                let next = state.next.remove(0);
                replace(&mut state, next);
                continue;
            }
        }
        watched.changed().await.unwrap();
    }
}

/// Makes another state the one that is stored.
fn replace(state: &mut State, mut object: Value) {
    let version: u64 = state.object["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap();
    object["metadata"]["resourceVersion"] = json!((version + 1).to_string());
    state.object = object;
}

fn patch(state: &mut State, patch: &Value, changed: &watch::Sender<()>) -> Answer {
    state.patches.push(patch.clone());
    let mut object = state.object.clone();
    if state.conflicts > 0 {
        state.conflicts -= 1;
        replace(state, object);
        return refusal(409, "the object has been modified");
    }
    if patch["metadata"]["resourceVersion"] != object["metadata"]["resourceVersion"] {
        return refusal(409, "the object has been modified");
    }
    let annotations = patch["metadata"]["annotations"].clone();
    object["metadata"]["annotations"] = annotations.clone();
    replace(state, object);
    let written = state.object.clone();
    if let Some(mut command) = state.controller.clone() {
        command["id"] = annotations["tidegate.dev/command-id"].clone();
        let mut answered = written.clone();
        answered["status"]["command"] = command;
        replace(state, answered);
    }
    changed.send_replace(());
    with(200, &written)
}

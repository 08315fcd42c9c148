//! The webhook's server over real sockets, asked as API servers do.

use futures_util::stream::unfold;
use http::StatusCode;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use hyper::client::conn;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tidegate_inject::{InjectionOptions, KubernetesVersion, Resources};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::*;
use crate::ca::{Authority, Leaf};
use crate::manifests::{SERVICE, world};
use crate::run::known::Sidecars;
use crate::webhook::PATH;

/// A name that the certificate is for.
const NAME: &str = "tidegate-webhook.tidegate.svc";

struct Site {
    address: std::net::SocketAddr,
    authority: Authority,
    tls: watch::Sender<Arc<ServerConfig>>,
    known: watch::Sender<Option<Known>>,
    end: watch::Sender<bool>,
    server: tokio::task::JoinHandle<()>,
}

fn leaf(authority: &Authority) -> Arc<ServerConfig> {
    let leaf = Leaf::issue(authority, &[NAME.to_owned()], super::super::seconds()).unwrap();
    Arc::new(leaf.server(&super::super::PROTOCOLS).unwrap())
}

fn options() -> InjectionOptions {
    let pair = |request: &str, limit: &str| (request.parse().unwrap(), limit.parse().unwrap());
    let sidecars = Sidecars {
        image: "tidegate-proxy:1".to_owned(),
        controller: "https://tidegate-controller.tidegate.svc:8443".to_owned(),
        resources: Resources::new(pair("50m", "1"), pair("32Mi", "128Mi")).unwrap(),
        kubernetes: KubernetesVersion::FIRST,
    };
    assert_eq!(sidecars.options(String::new()).unwrap_err().len(), 1, "it trusts nobody");
    sidecars.options("-----BEGIN CERTIFICATE-----".to_owned()).unwrap()
}

fn known() -> Known {
    let world = Arc::new(world(SERVICE));
    Known {
        world,
        valves: Arc::default(),
        asking: Arc::default(),
        options: Arc::new(options()),
        kubernetes: KubernetesVersion::FIRST,
    }
}

impl Site {
    async fn start() -> Self {
        let authority = Authority::create(super::super::seconds()).unwrap();
        let (tls, certificates) = watch::channel(leaf(&authority));
        let (known, answers) = watch::channel(None);
        let (end, ended) = watch::channel(false);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let webhook = Webhook { known: answers, events: Events::new().0 };
        let server = tokio::spawn(webhook.serve(listener, certificates, ended));
        Self { address, authority, tls, known, end, server }
    }

    async fn connect(&self, protocol: &str) -> Result<TlsStream<TcpStream>, std::io::Error> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.authority.certificate().as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let mut config = builder.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
        let stream = TcpStream::connect(self.address).await?;
        TlsConnector::from(Arc::new(config)).connect(ServerName::try_from(NAME).unwrap(), stream).await
    }
}

fn question() -> Request<Full<Bytes>> {
    let pod = serde_json::json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": { "labels": { "app": "shop" }, "annotations": { "tidegate.dev/inject": "true" } },
        "spec": { "containers": [{ "name": "shop", "ports": [{ "name": "http", "containerPort": 8080 }] }] },
    });
    let review = serde_json::json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "1", "kind": { "group": "", "version": "v1", "kind": "Pod" },
            "resource": { "group": "", "version": "v1", "resource": "pods" }, "namespace": "default",
            "operation": "CREATE", "userInfo": {}, "object": pod,
        },
    });
    Request::post(PATH).header("host", NAME).body(Full::new(Bytes::from(review.to_string()))).unwrap()
}

/// Asks over HTTP/1.1, twice over one connection.
async fn by_http1(stream: TlsStream<TcpStream>) -> Vec<(StatusCode, Bytes)> {
    let (mut sender, connection) = conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let mut answers = Vec::new();
    for _ in 0..2 {
        let answer = sender.send_request(question()).await.unwrap();
        let status = answer.status();
        answers.push((status, answer.into_body().collect().await.unwrap().to_bytes()));
    }
    answers
}

async fn by_http2(stream: TlsStream<TcpStream>) -> Vec<(StatusCode, Bytes)> {
    let (mut sender, connection) = conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let answer = sender.send_request(question()).await.unwrap();
    let status = answer.status();
    vec![(status, answer.into_body().collect().await.unwrap().to_bytes())]
}

#[tokio::test]
async fn questions_are_answered_over_both_protocols_once_something_is_known() {
    let site = Site::start().await;
    for (status, _) in by_http1(site.connect("http/1.1").await.unwrap()).await {
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    }
    site.known.send_replace(Some(known()));
    let http1 = by_http1(site.connect("http/1.1").await.unwrap()).await;
    let http2 = by_http2(site.connect("h2").await.unwrap()).await;
    assert_eq!((http1.len(), http2.len()), (2, 1));
    for (status, body) in http1.into_iter().chain(http2) {
        let answer: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!((status, &answer["response"]["allowed"]), (StatusCode::OK, &true.into()));
        assert!(answer["response"]["patch"].is_array(), "{answer}");
    }
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_to_new_connections() {
    let mut site = Site::start().await;
    site.known.send_replace(Some(known()));
    let before = site.connect("http/1.1").await.unwrap();
    let next = Authority::create(super::super::seconds()).unwrap();
    site.tls.send_replace(leaf(&next));
    assert!(site.connect("http/1.1").await.is_err(), "another authority's");
    site.authority = next;
    assert_eq!(by_http1(site.connect("http/1.1").await.unwrap()).await.len(), 2);
    assert_eq!(by_http1(before).await.len(), 2, "those that are open go on");
}

#[tokio::test]
async fn the_end_lets_questions_have_their_answers() {
    let site = Site::start().await;
    site.known.send_replace(Some(known()));
    let stream = TokioIo::new(site.connect("http/1.1").await.unwrap());
    let (mut sender, connection) = conn::http1::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let (head, text) = question().into_parts();
    let text = text.collect().await.unwrap().to_bytes();
    let (send, parts) = tokio::sync::mpsc::channel::<Bytes>(1);
    let body = StreamBody::new(Box::pin(unfold(parts, |mut parts| async move {
        let part = parts.recv().await?;
        Some((Ok::<_, Infallible>(Frame::data(part)), parts))
    })));
    let receivers = site.known.receiver_count();
    let asked = tokio::spawn(async move { sender.send_request(Request::from_parts(head, body)).await });
    send.send(text.slice(..10)).await.unwrap();
    // Whoever answers looks at what is known.
    while site.known.receiver_count() == receivers {
        tokio::task::yield_now().await;
    }
    site.end.send_replace(true);
    send.send(text.slice(10..)).await.unwrap();
    drop(send);
    let answer = asked.await.unwrap().unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    answer.into_body().collect().await.unwrap();
    site.server.await.unwrap();
    assert!(TcpStream::connect(site.address).await.is_err(), "nobody else is let in");
}

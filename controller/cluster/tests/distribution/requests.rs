//! What the server says to requests that are not as they should be.

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::ServerName;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tidegate_config::limits;
use tidegate_config::wire::Refusal;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::site::{STRANGER, Site, TOKEN, any_port, publication, within};

async fn connect(site: &Site) -> http2::SendRequest<Full<Bytes>> {
    let mut roots = RootCertStore::empty();
    roots.add(PemObject::from_pem_slice(site.authority.certificate().as_bytes()).unwrap()).unwrap();
    let builder = ClientConfig::builder_with_provider(rustls::crypto::ring::default_provider().into());
    let builder = builder.with_protocol_versions(&[&rustls::version::TLS13]).unwrap();
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let stream = TcpStream::connect(site.address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
    let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender
}

#[tokio::test]
async fn errors_have_a_reason() {
    let site = Site::start(publication(1, 1, any_port())).await;
    let mut sender = connect(&site).await;
    let long = "x".repeat(limits::ACKNOWLEDGEMENT_BYTES_MAX + 1);
    let bearer = |token: &str| format!("Bearer {token}");
    let (known, stranger) = (bearer(TOKEN), bearer(STRANGER));
    for (method, path, token, body, status, reason) in [
        ("GET", "/", &*known, "", StatusCode::NOT_FOUND, "not-found"),
        ("POST", "/v1/publications", &known, "", StatusCode::METHOD_NOT_ALLOWED, "method"),
        ("GET", "/v1/acknowledgements", &known, "", StatusCode::METHOD_NOT_ALLOWED, "method"),
        ("GET", "/v1/publications", "", "", StatusCode::UNAUTHORIZED, "unauthenticated"),
        ("GET", "/v1/publications", TOKEN, "", StatusCode::UNAUTHORIZED, "unauthenticated"),
        ("GET", "/v1/publications", "Basic proxy", "", StatusCode::UNAUTHORIZED, "unauthenticated"),
        ("GET", "/v1/publications", "Bearer secret", "", StatusCode::UNAUTHORIZED, "unauthenticated"),
        ("POST", "/v1/acknowledgements", "Bearer secret", "{}", StatusCode::UNAUTHORIZED, "unauthenticated"),
        ("GET", "/v1/publications", &stranger, "", StatusCode::FORBIDDEN, "forbidden"),
        ("POST", "/v1/acknowledgements", &known, "", StatusCode::BAD_REQUEST, "malformed"),
        ("POST", "/v1/acknowledgements", &known, "{\"generation\":-1}", StatusCode::BAD_REQUEST, "malformed"),
        ("POST", "/v1/acknowledgements", &known, &long, StatusCode::PAYLOAD_TOO_LARGE, "body"),
    ] {
        let uri = format!("https://localhost:{}{path}", site.address.port());
        let mut request = Request::builder().method(method).uri(uri);
        if !token.is_empty() {
            request = request.header("authorization", token);
        }
        let request = request.body(Full::new(Bytes::copy_from_slice(body.as_bytes()))).unwrap();
        let answer = within(sender.send_request(request)).await.unwrap();
        let (head, body) = answer.into_parts();
        let refusal = Refusal::read(&body.collect().await.unwrap().to_bytes()).unwrap();
        assert_eq!((head.status, &*refusal.reason), (status, reason), "{method} {path} {token}");
        assert_eq!(head.headers["content-type"], "application/json");
        assert!(!refusal.message.contains("secret"), "a token is not repeated");
    }
}

#[tokio::test]
async fn a_stream_is_lines_and_its_end_is_the_end_of_its_connection() {
    let site = Site::start(publication(1, 1, any_port())).await;
    let mut sender = connect(&site).await;
    let uri = format!("https://localhost:{}/v1/publications", site.address.port());
    let request = Request::get(uri).header("authorization", format!("bearer {TOKEN}")).body(Full::default()).unwrap();
    let answer = within(sender.send_request(request)).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.headers()["content-type"], "application/x-ndjson");
    let mut body = answer.into_body();
    let mut text = String::new();
    // The last line is the first sign of life.
    while !text.ends_with("\n{}\n") {
        let data = within(body.frame()).await.unwrap().unwrap().into_data().unwrap();
        text.push_str(str::from_utf8(&data).unwrap());
    }
    assert!(text.starts_with("{\"publication\":{\"generation\":1,"), "{text}");
    drop(body);
    within(async {
        while sender.ready().await.is_ok() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

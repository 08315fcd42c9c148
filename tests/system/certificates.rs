//! `examples/https.yaml` with a certificate made here: checked, served, renewed, spoilt and mended, without a restart.

use std::net::SocketAddr;
use std::sync::Arc;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::backend::Pair;
use super::clock::until;
use super::site::{Instance, Site};
use super::visitor::get;

const EXAMPLE: &str = include_str!("../../examples/https.yaml");

struct Made {
    certificate: String,
    key: String,
    der: CertificateDer<'static>,
}

fn made() -> Made {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["shop.example".to_owned()]).unwrap();
    Made { certificate: cert.pem(), key: signing_key.serialize_pem(), der: cert.der().clone() }
}

/// The example, on free ports, before a version that runs.
fn example(pair: &Pair) -> String {
    let mut text = EXAMPLE.to_owned();
    let version = pair.v1.address.to_string();
    let replaced = [("127.0.0.1:8443", "127.0.0.2:0"), ("127.0.0.1:8080", "127.0.0.1:0"), ("127.0.0.1:9001", &version)];
    for (written, there) in replaced {
        assert_eq!(text.matches(written).count(), 1, "{written}");
        text = text.replace(written, there);
    }
    text + "admin: { address: \"127.0.0.1:0\" }\n"
}

/// The answer to a GET from a server whose certificate is this one; `None` where it has another.
async fn ask(address: SocketAddr, made: &Made) -> Option<String> {
    let mut trusted = RootCertStore::empty();
    trusted.add(made.der.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = builder.with_root_certificates(trusted).with_no_client_auth();
    let stream = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("shop.example").unwrap();
    let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.ok()?;
    stream.write_all(b"GET / HTTP/1.1\r\nhost: shop.example\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    Some(answer)
}

async fn problems(instance: &Instance, wanted: impl Fn(&str) -> bool) -> String {
    until("the problems", async || {
        let problems = instance.overview().await.config.problems.join("\n");
        wanted(&problems).then_some(problems)
    })
    .await
}

#[tokio::test]
async fn a_certificate_is_checked_served_and_renewed() {
    let pair = Pair::start().await;
    let (old, new) = (made(), made());
    let site = Site::new(&example(&pair));
    let at = "listeners[0].tls.certificates[0]";
    site.check().await.assert_refused(&[&format!("{at}.certificateFile: "), "shop.pem: No such file"]);
    site.put("shop.pem", &old.certificate);
    site.put("shop.key", &new.key);
    site.check().await.assert_refused(&[&format!("{at}: listener https: the private key is not that of the cert")]);
    site.put("shop.key", &old.key);
    let good = site.check().await;
    assert_eq!(good.code, Some(0), "{}", good.err);

    let instance = site.start().await;
    let said = instance.process.out();
    let secure = said.lines().find_map(|line| line.strip_prefix("listening on https://")).unwrap().parse().unwrap();
    let answer = ask(secure, &old).await.expect("our certificate");
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("x-version: v1"), "{answer}");
    for (path, status) in [("/health", 200), ("/", 404)] {
        assert_eq!(get(instance.address, path, &[]).await.unwrap().status, status, "{path}");
    }

    // One file at a time, as certificates are renewed.
    site.put("shop.key", &new.key);
    problems(&instance, |problems| problems.contains("the private key is not that of the certificate")).await;
    assert!(ask(secure, &old).await.is_some(), "the last good one stays");
    site.put("shop.pem", &new.certificate);
    until("the renewed certificate", async || ask(secure, &new).await).await;
    assert!(ask(secure, &old).await.is_none());
    problems(&instance, str::is_empty).await;
    for key in [&old.key, &new.key] {
        let secret = key.lines().nth(1).unwrap();
        assert!(!instance.said().contains(secret), "{}", instance.said());
        for entry in std::fs::read_dir(site.state()).unwrap().map(|entry| entry.unwrap().path()) {
            let bytes = std::fs::read(&entry).unwrap_or_default();
            assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()), "{entry:?}");
        }
    }
}

//! Certificates: who gets which, how they change, and what is refused.

use rustls::HandshakeKind;

use crate::harness::{Backend, Client, Http2, Made, TestProxy, TlsClient, fixed, met, one, request};

/// The configuration of one backend whose listener has these certificates.
fn https(backend: &Backend, certificates: &[&Made], more: &str) -> String {
    one(backend, more).replace("'127.0.0.1:0'}", &format!("'127.0.0.1:0', name: shop, {}}}", tls(certificates)))
}

fn tls(certificates: &[&Made]) -> String {
    let certificates = certificates.iter().map(|made| made.yaml()).collect::<Vec<_>>().join(", ");
    format!("tls: {{certificates: [{certificates}]}}")
}

#[test]
fn alpn_chooses_the_protocol() {
    let backend = Backend::saying("ok");
    let made = Made::of(&["shop.example"]);
    let proxy = TestProxy::start(&https(&backend, &[&made], ""));
    for offered in [&[][..], &["http/1.1"], &["other", "http/1.1"]] {
        let session = TlsClient::offering(offered).connect(proxy.address(), "shop.example").unwrap();
        assert_eq!(met(&session), made.der);
        assert_eq!(Client::over(session).get("/").text(), "ok", "{offered:?}");
    }
    let http2 = Http2::connect_tls(&TlsClient::offering(&["http/1.1", "h2"]), proxy.address(), "shop.example");
    assert_eq!(http2.send(request("GET", "/", "")).body().bytes, "ok");
    // RFC 7301 §3.2: no protocol that both speak.
    let error = TlsClient::offering(&["h3"]).connect(proxy.address(), "shop.example").unwrap_err();
    assert!(error.to_string().contains("NoApplicationProtocol"), "{error}");
    for seen in backend.seen() {
        assert_eq!(seen.field("x-forwarded-proto").as_deref(), Some("https"));
    }
    assert_eq!(backend.requests(), 4);
}

#[test]
fn both_versions_resume_their_sessions_also_under_a_newer_configuration() {
    let backend = Backend::saying("ok");
    let made = Made::of(&["shop.example"]);
    let config = https(&backend, &[&made], "");
    let proxy = TestProxy::start(&config);
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let client = TlsClient::with(&[version], &["http/1.1"]);
        let kind = || {
            let mut session = Client::over(client.connect(proxy.address(), "shop.example").unwrap());
            // Tickets come behind the handshake.
            assert_eq!(session.get("/").text(), "ok");
            session.session().conn.handshake_kind().unwrap()
        };
        assert_eq!((kind(), kind()), (HandshakeKind::Full, HandshakeKind::Resumed), "{version:?}");
        proxy.configure(&config).unwrap();
        assert_eq!(kind(), HandshakeKind::Resumed, "{version:?}");
    }
}

#[test]
fn the_certificate_is_the_one_for_the_name() {
    let backend = Backend::saying("ok");
    let made =
        [&["first.example"][..], &["*.shop.example", "Shop.example", "*.example"], &["a.b.example", "api.example"]]
            .map(Made::of);
    let proxy = TestProxy::start(&https(&backend, &[&made[0], &made[1], &made[2]], ""));
    let client = TlsClient::offering(&[]);
    for (name, certificate) in [
        ("first.example", 0),
        ("shop.example", 1),
        ("SHOP.example", 1),
        ("www.shop.example", 1),
        ("a.www.shop.example", 0),
        // Whoever signs a certificate for a whole domain of the first level made a mistake.
        ("other.example", 0),
        ("api.example", 2),
        ("a.b.example", 2),
        ("c.b.example", 0),
        ("example", 0),
        ("unknown.test", 0),
        ("127.0.0.1", 0),
    ] {
        assert_eq!(met(&client.connect(proxy.address(), name).unwrap()), made[certificate].der, "{name}");
    }
}

#[test]
fn a_renewed_certificate_is_for_new_connections_and_harms_no_old_one() {
    let backend = Backend::saying("ok");
    let (old, new) = (Made::of(&["shop.example"]), Made::of(&["shop.example"]));
    let proxy = TestProxy::with_workers(&https(&backend, &[&old], ""), 2);
    let client = TlsClient::offering(&[]);
    let connect = || client.connect(proxy.address(), "shop.example").unwrap();
    let mut before = Client::over(connect());
    assert_eq!((before.get("/").status, met(before.session())), (200, old.der));
    proxy.configure(&https(&backend, &[&new], "")).unwrap();
    assert_eq!(before.get("/").status, 200);
    assert_eq!(met(&TlsClient::offering(&[]).connect(proxy.address(), "shop.example").unwrap()), new.der);
    // Plain HTTP from now on, at the same address.
    proxy.configure(&one(&backend, "")).unwrap();
    assert_eq!((before.get("/").status, proxy.get("/").status), (200, 200));
}

#[test]
fn a_bad_certificate_refuses_the_whole_change() {
    let (backend, other) = (Backend::saying("old"), Backend::saying("new"));
    let (good, mut bad) = (Made::of(&["shop.example"]), Made::of(&["shop.example"]));
    let proxy = TestProxy::start(&https(&backend, &[&good], ""));
    let secret = bad.key.lines().nth(1).unwrap().to_owned();
    bad.certificate.clone_from(&good.certificate);
    let config = https(&other, &[&good, &bad], "").replace("127.0.0.1:0", "127.0.0.2:0");
    let error = proxy.configure(&config).unwrap_err().to_string();
    assert_eq!(
        error,
        "listeners[0].tls.certificates[1]: listener shop: the private key is not that of the certificate; \
         allowed: a certificate in PEM form and its private key"
    );
    bad.key = bad.key.replacen(&secret, &secret.to_lowercase(), 1);
    let error = proxy.configure(&https(&other, &[&bad], "")).unwrap_err();
    let shown = format!("{error} {error:?} {:?}", proxy.state());
    assert!(!shown.contains(&secret) && !shown.contains(&secret.to_lowercase()), "{shown}");
    let files = "tls: {certificates: [{certificateFile: a.pem, keyFile: a.key}]}";
    let error = proxy.configure(&https(&other, &[], "").replace(&tls(&[]), files)).unwrap_err();
    assert!(error.to_string().contains("the file of a certificate has not been read"), "{error}");
    let mut client = Client::over(TlsClient::offering(&[]).connect(proxy.address(), "shop.example").unwrap());
    assert_eq!(client.get("/").text(), "old", "and nothing else of the change is in force");
}

#[test]
fn cookies_are_for_tls_alone_where_they_were_set_under_it() {
    let backend = Backend::saying("ok");
    let made = Made::of(&["shop.example"]);
    let both = format!("'127.0.0.1:0', {}}}, {{address: '127.0.0.2:0'}}", tls(&[&made]));
    let config = fixed(backend.address, backend.address, "50%", "").replace("'127.0.0.1:0'}", &both);
    let proxy = TestProxy::start(&config);
    let [secure, plain] = proxy.addresses()[..] else { panic!("two addresses") };
    let answer = Client::over(TlsClient::offering(&[]).connect(secure, "shop.example").unwrap()).get("/");
    let cookie = answer.field("set-cookie").unwrap();
    assert!(cookie.ends_with("; Path=/; HttpOnly; SameSite=Lax; Secure"), "{cookie}");
    let answer = Client::connect(plain).get("/");
    let cookie = answer.field("set-cookie").unwrap();
    assert!(cookie.ends_with("; Path=/; HttpOnly; SameSite=Lax"), "{cookie}");
}

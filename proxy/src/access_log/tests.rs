//! Lines as a reader of the log gets them: made up ones, a queue that is full, and a proxy that serves real requests.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use tidegate_config::{Config, Key, Name, Publication, Share, Split};

use super::*;
use crate::Proxy;
use crate::state::State;

/// A service `shop` at `shop.test`: 40% of its visitors see `v2`, the others `v1`.
fn publication(endpoints: [SocketAddr; 2]) -> Publication {
    let [stable, canary] = endpoints;
    let config = Config::parse(&format!(
        "{{listeners: [{{address: '127.0.0.1:0'}}], accessLog: stdout, \
         routes: [{{host: shop.test, service: shop}}], \
         services: {{shop: {{stable: v1, visitor: {{override: true}}, versions: {{ \
         v1: {{endpoints: ['{stable}']}}, v2: {{endpoints: ['{canary}'], share: 40%}}}}}}}}}}"
    ))
    .unwrap();
    let [stable, canary]: [Name; 2] = ["v1", "v2"].map(|name| name.parse().unwrap());
    let share = |_: &_| Share::from_ppm(400_000).unwrap();
    let arms = Split::lay_out(&[stable.clone(), canary.clone()], &stable, [], Share::ZERO, share);
    let split = Split { canary: Some(canary), ..Split::fixed(7, Key([0; 16]), arms, stable) };
    let splits = BTreeMap::from([("shop".parse().unwrap(), split)]);
    Publication { generation: 3, cookie_key: Key([0; 16]), config: Arc::new(config), splits }
}

fn snapshot() -> Arc<Snapshot> {
    let publication = publication(["127.0.0.1:1".parse().unwrap(), "127.0.0.1:2".parse().unwrap()]);
    State::new(&publication, &BTreeMap::new(), 1, Arc::default()).unwrap().current().load_full()
}

fn entry(snapshot: &Arc<Snapshot>) -> Entry {
    Entry {
        at: 1_000,
        client: [127, 0, 0, 1].into(),
        protocol: Version::HTTP_11,
        method: Method::GET,
        uri: Uri::from_static("/cart?token=secret"),
        host: Some(HeaderValue::from_static("shop.test")),
        id: Some(HeaderValue::from_static("id-1")),
        snapshot: Arc::clone(snapshot),
        chosen: None,
        answer: Some(Answer { status: StatusCode::OK, reason: None }),
        latency: Duration::from_micros(1_234),
    }
}

#[test]
fn a_line_says_what_is_known() {
    let snapshot = snapshot();
    let base = || entry(&snapshot);
    let chosen = Chosen { service: 0, arm: 0, instead: None, why: Why::Assigned, new_visitor: Some(true) };
    let begin = r#"{"time":"1970-01-01T00:00:01.000Z","client":"127.0.0.1","protocol":"HTTP/1.1","method":"GET","host":"shop.test","path":"/cart","#;
    let end = r#""generation":3,"latencyMs":1.234,"requestId":"id-1"}"#;
    let refused = Answer { status: StatusCode::NOT_FOUND, reason: Some(HeaderValue::from_static("no-route")) };
    for (why, entry, middle) in [
        (
            "a share",
            Entry { chosen: Some(chosen), ..base() },
            r#""status":200,"service":"shop","version":"v2","why":"assigned","epoch":7,"newVisitor":true,"#,
        ),
        (
            "a tester",
            Entry { chosen: Some(Chosen { why: Why::Chosen, new_visitor: Some(false), ..chosen }), ..base() },
            r#""status":200,"service":"shop","version":"v2","why":"chosen","epoch":7,"newVisitor":false,"#,
        ),
        (
            "no split",
            Entry { chosen: Some(Chosen { arm: 1, why: Why::Only, new_visitor: None, ..chosen }), ..base() },
            r#""status":200,"service":"shop","version":"v1","why":"only","epoch":7,"#,
        ),
        (
            "unreachable",
            Entry { chosen: Some(Chosen { instead: Some(1), ..chosen }), ..base() },
            r#""status":200,"service":"shop","version":"v1","why":"fallback","insteadOf":"v2","epoch":7,"newVisitor":true,"#,
        ),
        ("refused", Entry { answer: Some(refused), ..base() }, r#""status":404,"reason":"no-route","#),
        ("gone", Entry { answer: None, ..base() }, r#""reason":"client-gone","#),
    ] {
        let mut text = String::new();
        format::line(&entry, &mut text);
        assert_eq!(text, format!("{begin}{middle}{end}\n"), "{why}");
    }
}

#[test]
fn a_host_comes_without_what_a_client_put_before_it() {
    let snapshot = snapshot();
    let field = Some(HeaderValue::from_static("user:password@shop.test"));
    let target = Uri::from_static("http://user:password@shop.test/");
    for entry in [Entry { host: field, ..entry(&snapshot) }, Entry { uri: target, ..entry(&snapshot) }] {
        let mut text = String::new();
        format::line(&entry, &mut text);
        assert!(text.contains(r#""host":"shop.test""#) && !text.contains("password"), "{text}");
    }
}

#[test]
fn a_full_queue_drops_lines_and_counts_them() {
    let (queue, receiver) = std::sync::mpsc::sync_channel(2);
    let log = Log { queue, dropped: Arc::default() };
    let snapshot = snapshot();
    for _ in 0..5 {
        log.send(Box::new(entry(&snapshot)));
    }
    assert_eq!((receiver.try_iter().count(), log.dropped.load(Ordering::Relaxed)), (2, 3));
}

/// An output that fails as a closed pipe does.
struct Closed;

impl Write for Closed {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_closed_output_loses_lines_and_nothing_else() {
    let (access_log, logs) = AccessLog::start(Closed, 1).unwrap();
    access_log.switch(true);
    let snapshot = snapshot();
    for _ in 0..5 {
        logs[0].send(Box::new(entry(&snapshot)));
    }
    access_log.finish();
    assert_eq!(access_log.dropped(), 5);
}

/// An output that hands over what is written to it.
struct Shown(Sender<Vec<u8>>);

impl Write for Shown {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.0.send(text.to_vec()).map_err(|_| io::ErrorKind::BrokenPipe)?;
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// An endpoint that answers every request with an empty 200 and a reason that is not ours.
fn endpoint() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut head = [0; 4096];
            while stream.read(&mut head).is_ok_and(|length| length > 0) {
                let answer = b"HTTP/1.1 200 OK\r\nx-tidegate-reason: forged\r\ncontent-length: 0\r\n\r\n";
                stream.write_all(answer).unwrap();
            }
        }
    });
    address
}

fn request(proxy: SocketAddr, head: &str) -> String {
    let mut stream = TcpStream::connect(proxy).unwrap();
    write!(stream, "{head}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn next_line(written: &Receiver<Vec<u8>>) -> String {
    String::from_utf8(written.recv_timeout(Duration::from_secs(20)).unwrap()).unwrap()
}

#[test]
fn requests_are_logged_without_their_secrets() {
    let (sender, written) = channel();
    let nowhere = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let publication = publication([endpoint(), nowhere]);
    let proxy = Proxy::start_logging_to(Shown(sender), &publication, &BTreeMap::new(), 1).unwrap();
    let address = proxy.addresses()[0];
    let secrets = "Cookie: session=secret\r\nAuthorization: Bearer secret";
    for (head, parts) in [
        (
            "Host: shop.test\r\nX-Tidegate-Version: v1",
            [
                r#""path":"/a""#,
                r#""status":200,"service":"shop","version":"v1","why":"chosen","#,
                r#""newVisitor":true"#,
            ],
        ),
        (
            "Host: shop.test\r\nX-Tidegate-Version: v2\r\nX-Request-Id: mine",
            [r#""why":"fallback","insteadOf":"v2""#, r#""status":200,"service""#, r#""requestId":"mine""#],
        ),
        ("Host: other.test", [r#""host":"other.test""#, r#""status":404,"reason":"no-route""#, r#""generation":3"#]),
        ("Host: a\r\nHost: b", [r#""status":400"#, r#""reason":"malformed-request""#, r#""method":"GET""#]),
    ] {
        request(address, &format!("GET /a?token=secret HTTP/1.1\r\n{head}\r\n{secrets}"));
        let line = next_line(&written);
        assert!(parts.iter().all(|part| line.contains(part)), "{line}");
        assert!(line.ends_with("}\n") && line.lines().count() == 1 && !line.contains("secret"), "{line}");
    }
    let off = Config { access_log: None, ..(*publication.config).clone() };
    proxy.apply(&Publication { config: Arc::new(off), ..publication }, &BTreeMap::new()).unwrap();
    request(address, "GET /unseen HTTP/1.1\r\nHost: shop.test");
    proxy.drain();
    drop(proxy);
    assert_eq!(written.try_iter().count(), 0, "nothing is logged any more");
}

#[test]
fn a_client_that_goes_away_has_its_line() {
    let (sender, written) = channel();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let publication = publication([silent.local_addr().unwrap(), silent.local_addr().unwrap()]);
    let proxy = Proxy::start_logging_to(Shown(sender), &publication, &BTreeMap::new(), 1).unwrap();
    let mut client = TcpStream::connect(proxy.addresses()[0]).unwrap();
    write!(client, "GET /slow HTTP/1.1\r\nHost: shop.test\r\n\r\n").unwrap();
    let (mut connection, _) = silent.accept().unwrap();
    assert!(connection.read(&mut [0; 4096]).unwrap() > 0);
    drop(client);
    let line = next_line(&written);
    assert!(line.contains(r#""path":"/slow","reason":"client-gone","service":"shop""#), "{line}");
    let metrics = crate::Metrics::new(Arc::new(proxy), 1.0).render().unwrap();
    assert!(metrics.contains("tidegate_access_log_dropped_total 0"));
}

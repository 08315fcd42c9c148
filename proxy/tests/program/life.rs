//! From start to end: what is served, when the proxy is ready, and how it stops.

use std::fs;
use std::io::Read as _;
use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;

use super::running::{Application, Running, ask, get, kept_open, program};

fn path(directory: &TempDir, name: &str) -> String {
    directory.path().join(name).to_str().unwrap().to_owned()
}

/// A site of one file, whose versions share visitors; and the version that is stable.
fn site(directory: &TempDir) -> ([String; 4], Application) {
    let (stable, other) = (Application::start("one"), Application::start("two"));
    let (one, two) = (stable.address, other.address);
    let text = format!(
        "listeners: [{{address: '127.0.0.1:0'}}]\nroutes: [{{service: s, requestTimeout: 30s}}]\nservices:\n  s:\n    \
         stable: a\n    visitor: {{header: x-id}}\n    versions: {{a: {{endpoints: ['{one}']}}, b: {{endpoints: \
         ['{two}'], share: 50%}}}}\n"
    );
    fs::write(directory.path().join("tidegate.yaml"), text).unwrap();
    let (file, state) = (path(directory, "tidegate.yaml"), path(directory, "state"));
    (["--config".into(), file, "--state-dir".into(), state], stable)
}

fn words(arguments: &[String]) -> Vec<&str> {
    arguments.iter().map(String::as_str).collect()
}

/// What twenty visitors see.
fn seen(proxy: &mut Running) -> Vec<String> {
    let address = proxy.address();
    (0..20).map(|id| get(address, "/", &format!("a\r\nx-id: {id}")).1).collect()
}

#[test]
fn a_file_is_served_and_visitors_stay_over_restarts() {
    let directory = tempfile::tempdir().unwrap();
    let (arguments, _) = site(&directory);
    let mut proxy = Running::start(&words(&arguments));
    let first = seen(&mut proxy);
    assert!(first.iter().any(|name| name == "one") && first.iter().any(|name| name == "two"), "{first:?}");
    assert_eq!(proxy.readiness(), 200);
    assert!(get(proxy.admin, "/metrics", "localhost").1.contains("tidegate_generation 1\n"));
    while !Path::new(&path(&directory, "state/publication.json")).exists() {
        std::thread::yield_now();
    }
    proxy.terminate();
    assert_eq!(proxy.ended().code(), Some(0));
    assert_eq!(seen(&mut Running::start(&words(&arguments))), first);
}

#[test]
fn a_second_signal_cuts_what_the_first_waits_for() {
    let directory = tempfile::tempdir().unwrap();
    let (arguments, stable) = site(&directory);
    let mut proxy = Running::start(&words(&arguments));
    let mut held = ask(proxy.address(), "/held", "a\r\nx-tidegate-version: a");
    stable.held.recv_timeout(Duration::from_secs(30)).unwrap();
    proxy.terminate();
    assert_eq!(proxy.readiness(), 503);
    proxy.hurry();
    assert_eq!(proxy.ended().code(), Some(1));
    // Cut, at once: in whatever way that shows.
    let _ = held.read_to_end(&mut Vec::new());
}

#[test]
fn a_proxy_that_leaves_is_not_ready_and_takes_clients_until_the_next_signal() {
    let directory = tempfile::tempdir().unwrap();
    let (arguments, _) = site(&directory);
    let mut proxy = Running::start(&[&words(&arguments)[..], &["--leave", "60"]].concat());
    let address = proxy.address();
    proxy.leave();
    assert_eq!(proxy.readiness(), 503);
    assert_eq!(get(address, "/", "a\r\nx-tidegate-version: a"), (200, "one".to_owned()));
    // Drains at once.
    proxy.terminate();
    assert_eq!(proxy.ended().code(), Some(0));
}

#[test]
fn a_proxy_that_is_told_to_leave_ends_connections_and_serves_until_it_is_stopped() {
    let directory = tempfile::tempdir().unwrap();
    let (arguments, _) = site(&directory);
    // As a sidecar has it: for everybody on the pod's address.
    let mut proxy = Running::with_admin("0.0.0.0:0", &words(&arguments));
    let (address, admin) = (proxy.address(), proxy.admin.to_string());
    let ends = |address| kept_open(address, "GET / HTTP/1.1\r\nHost: a\r\nx-tidegate-version: a\r\n\r\n");
    assert!(!ends(address).contains("connection: close"));

    let admin_address = ([127, 0, 0, 1], proxy.admin.port()).into();
    let page = kept_open(admin_address, "POST /leave HTTP/1.1\r\nHost: localhost\r\nOrigin: http://a.example\r\n\r\n");
    assert!(page.starts_with("HTTP/1.1 403"), "{page}");
    assert!(kept_open(admin_address, "GET /leave HTTP/1.1\r\nHost: a\r\n\r\n").starts_with("HTTP/1.1 404"));
    assert!(!ends(address).contains("connection: close"), "neither may tell it");

    assert!(program(&["leave", "--admin", &admin]).status().unwrap().success());
    while !ends(address).contains("connection: close") {}
    assert_eq!(get(admin_address, "/readyz", "localhost").0, 200, "a pod that ends may be the only one that there is");
    proxy.terminate();
    assert_eq!(proxy.ended().code(), Some(0));
}

#[test]
fn whoever_cannot_tell_a_proxy_to_leave_hears_why() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let output = program(&["leave", "--admin", &nobody]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains(&format!("cannot connect to {nobody} (--admin)")), "{said}");
    assert_eq!(program(&["leave", "--admin", "a"]).output().unwrap().status.code(), Some(2));
}

#[test]
fn a_sidecar_passes_everything_on_until_it_knows_more() {
    let directory = tempfile::tempdir().unwrap();
    let (ca, token, state) = (path(&directory, "ca"), path(&directory, "token"), path(&directory, "state"));
    let application = Application::start("mine").address.to_string();
    let controller = ["--controller", "https://127.0.0.1:9", "--ca", &ca, "--token", &token, "--state-dir", &state];
    let fallback = ["--fallback", &application, "--fallback-listen", "127.0.0.1:0"];
    let mut proxy = Running::start(&[&controller[..], &fallback[..]].concat());
    let answer = get(proxy.address(), "/any/path", "any.host");
    assert_eq!(answer, (200, "mine".into()));
    assert_eq!(proxy.readiness(), 200);
    proxy.terminate();
    assert_eq!(proxy.ended().code(), Some(0));

    let mut proxy = Running::start(&controller);
    assert_eq!(proxy.readiness(), 503, "nothing is in force");
    proxy.terminate();
    assert_eq!(proxy.ended().code(), Some(0));
}

#[test]
fn each_port_of_a_sidecar_leads_to_its_own_port_of_the_application() {
    let directory = tempfile::tempdir().unwrap();
    let (ca, token, state) = (path(&directory, "ca"), path(&directory, "token"), path(&directory, "state"));
    let (one, two) = (Application::start("one"), Application::start("two"));
    let applications = format!("{},{}", one.address, two.address);
    let controller = ["--controller", "https://127.0.0.1:9", "--ca", &ca, "--token", &token, "--state-dir", &state];
    let fallback = ["--fallback", &applications, "--fallback-listen", "127.0.0.1:0,127.0.0.2:0"];
    let mut proxy = Running::start(&[&controller[..], &fallback[..]].concat());
    for _ in 0..2 {
        let address = proxy.address();
        let expected = if address.ip().to_string() == "127.0.0.1" { "one" } else { "two" };
        assert_eq!(get(address, "/any/path", "any.host"), (200, expected.into()), "{address}");
    }
    assert_eq!(proxy.readiness(), 200);
}

#[test]
fn metrics_are_for_loopback_names_unless_another_address_is_asked_for() {
    let directory = tempfile::tempdir().unwrap();
    let (arguments, _) = site(&directory);
    let proxy = Running::start(&words(&arguments));
    assert_eq!(get(proxy.admin, "/healthz", "a.example").0, 403);
    let proxy = Running::with_admin("0.0.0.0:0", &words(&arguments));
    let address = ([127, 0, 0, 1], proxy.admin.port()).into();
    assert_eq!(get(address, "/healthz", "10.0.0.1").0, 200);
}

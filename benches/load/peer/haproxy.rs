//! HAProxy: its bare form is what all ratios are against.

use super::super::scenario;
use super::Spec;

pub(super) const SPEC: Spec = Spec {
    name: "haproxy",
    install: "install it with `apt install haproxy`, or name one with `--haproxy PATH`",
    version: "-v",
    stickiness: "`cookie insert indirect nocache` over two servers weighing 90 and 10",
    main: "haproxy.cfg",
    bare: include_str!("haproxy-bare.cfg"),
    sticky: include_str!("haproxy-sticky.cfg"),
    routes_file: Some("routes.map"),
    routes,
    h2: "proto h2",
    arguments: |_directory, main| vec!["-db".to_owned(), "-f".to_owned(), main.to_owned()],
};

/// A map from host and path to the backend's name, which is searched as a tree.
fn routes() -> String {
    let lines: Vec<String> = scenario::routes().map(|(host, path)| format!("{host}{path} shop\n")).collect();
    lines.concat()
}

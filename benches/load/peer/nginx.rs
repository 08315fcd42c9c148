//! nginx.

use super::super::scenario::{HOSTS, PATHS, host, path};
use super::Spec;

pub(super) const SPEC: Spec = Spec {
    name: "nginx",
    install: "install it with `apt install nginx-light`, or name one with `--nginx PATH`",
    version: "-v",
    stickiness: "`split_clients` over a visitor cookie that it sets itself (`$request_id`) where there is none",
    main: "nginx.conf",
    bare: include_str!("nginx-bare.conf"),
    sticky: include_str!("nginx-sticky.conf"),
    routes_file: None,
    routes,
    h2: "http2",
    arguments: |directory, main| {
        let arguments = ["-e", "stderr", "-p", directory, "-c", main];
        arguments.map(str::to_owned).to_vec()
    },
};

/// One server for each host, one location for each path.
fn routes() -> String {
    let locations: Vec<String> =
        (0..PATHS).map(|p| format!("        location {} {{ proxy_pass http://$version; }}\n", path(p))).collect();
    let locations = locations.concat();
    let servers: Vec<String> = (0..HOSTS)
        .map(|h| {
            format!("    server {{\n        listen @listen@;\n        server_name {};\n{locations}    }}\n", host(h))
        })
        .collect();
    servers.concat()
}

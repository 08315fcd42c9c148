//! This project, as cargo has just built it.

use std::path::PathBuf;

use super::super::scenario;
use super::Spec;

pub(super) const SPEC: Spec = Spec {
    name: "tidegate",
    install: "cargo builds it; name another with `--tidegate PATH`",
    version: "--version",
    stickiness: "its own visitor cookie, 10 % of the visitors on the canary, evidence counted",
    main: "tidegate.yaml",
    bare: include_str!("tidegate-bare.yaml"),
    sticky: include_str!("tidegate-sticky.yaml"),
    routes_file: None,
    routes,
    // It tells the protocols apart by itself.
    h2: "",
    arguments: |directory, main| {
        let state = format!("{directory}/state");
        let arguments = ["run", "-c", main, "--state-dir", &state];
        arguments.map(str::to_owned).to_vec()
    },
};

/// The optimised binary that cargo builds for this comparison.
pub(super) fn just_built() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_tidegate"))
}

fn routes() -> String {
    let lines: Vec<String> = scenario::routes()
        .map(|(host, path)| format!("  - {{ host: {host}, path: {{ prefix: {path} }}, service: shop }}\n"))
        .collect();
    lines.concat()
}

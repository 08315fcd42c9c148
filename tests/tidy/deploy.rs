//! What is shipped beside the binary: the metrics that alerts and dashboards ask for exist.

use std::collections::BTreeSet;

use serde_json::Value;

use super::sources::{files, in_repository, root, text};

/// The names of metrics in a text: words that begin with `tidegate_`.
fn metrics_in(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("tidegate_")).map(str::to_owned).collect()
}

/// The metrics in the table of `docs/metrics.md`, which a test compares with what a proxy exports.
fn documented() -> BTreeSet<String> {
    let table = text("docs/metrics.md");
    let rows = table.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next().map(str::to_owned));
    let mut names = BTreeSet::new();
    for name in rows {
        for suffix in ["_bucket", "_sum", "_count"] {
            if name.ends_with("_seconds") {
                names.insert(format!("{name}{suffix}"));
            }
        }
        names.insert(name);
    }
    names
}

#[test]
fn metrics_that_are_asked_for_exist() {
    let known = documented();
    assert!(known.len() >= 15, "{known:?}");
    let (mut seen, mut asked) = (0, 0);
    for path in files(&root().join("deploy")) {
        let (name, text) = (in_repository(&path), std::fs::read_to_string(&path).unwrap());
        let metrics = metrics_in(&text);
        seen += 1;
        asked += metrics.len();
        let unknown: Vec<_> = metrics.difference(&known).collect();
        assert!(unknown.is_empty(), "{name} asks for {unknown:?}, which no proxy exports");
    }
    assert!(seen >= 3 && asked >= 10, "saw {seen} files and {asked} metrics");
}

#[test]
fn counters_are_compared_within_epochs() {
    // An old epoch is folded into `retired`, which jumps; a rate over it would count old requests as new ones.
    let dashboard = text("deploy/grafana/tidegate.json");
    let alerts = text("deploy/prometheus/alerts.yaml");
    let mut seen = 0;
    for line in dashboard.lines().chain(alerts.lines()).filter(|line| line.contains("rate(")) {
        for call in line.split("rate(").skip(1) {
            let inside = call.split('}').next().unwrap_or_default();
            if inside.starts_with("tidegate_evidence_dropped_total") {
                continue; // of the whole process, without an epoch
            }
            seen += 1;
            assert!(inside.contains("epoch!="), "a rate over retired epochs: {line}");
        }
    }
    assert!(seen >= 5, "saw {seen} rates");
}

#[test]
fn dashboard_is_json_with_panels() {
    let dashboard: Value = serde_json::from_str(&text("deploy/grafana/tidegate.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    assert!(panels.len() >= 6, "{} panels", panels.len());
    for panel in panels {
        let title = panel["title"].as_str().unwrap_or_default();
        assert!(!title.is_empty() && panel["description"].is_string(), "{panel}");
        assert!(panel["targets"].as_array().is_some_and(|targets| !targets.is_empty()), "{title} asks for nothing");
    }
}

#[test]
fn the_service_may_do_no_more_than_it_must() {
    let unit = text("deploy/systemd/tidegate.service");
    for setting in [
        "DynamicUser=yes",
        "StateDirectory=tidegate",
        "ProtectSystem=strict",
        "NoNewPrivileges=yes",
        "CapabilityBoundingSet=CAP_NET_BIND_SERVICE",
        "AmbientCapabilities=CAP_NET_BIND_SERVICE",
        "SystemCallFilter=@system-service",
    ] {
        assert!(unit.lines().any(|line| line == setting), "{setting} is missing");
    }
}

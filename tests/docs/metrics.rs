//! `docs/metrics.md` against what a running instance exports.

use std::collections::{BTreeMap, BTreeSet};

use super::markdown::{rows, span, text};
use super::running::Running;

/// What is known of a metric: its type and its labels.
type Family = (String, BTreeSet<String>);

/// The families of an exposition by the names of their samples, histograms by their own.
fn families(exposition: &str) -> BTreeMap<String, Family> {
    let mut families = BTreeMap::new();
    for line in exposition.lines() {
        if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
            let suffix = if kind == "counter" { "_total" } else { "" };
            families.insert(format!("{name}{suffix}"), (kind.to_owned(), BTreeSet::new()));
        } else if !line.starts_with('#') {
            let (name, labels) = line.split_once('{').unwrap_or((line.split(' ').next().unwrap_or_default(), ""));
            let base = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| name.strip_suffix(suffix));
            let family = families.get_mut(base.filter(|_| name.contains("_seconds_")).unwrap_or(name));
            let labels = labels.split(',').filter_map(|label| Some(label.split_once("=\"")?.0.to_owned()));
            family.unwrap_or_else(|| panic!("a sample without a type: {line}")).1.extend(labels.filter(|l| l != "le"));
        }
    }
    families
}

/// The table of the document.
fn documented() -> BTreeMap<String, Family> {
    let document = text("docs/metrics.md");
    let table = document.split("\n## ").next().unwrap();
    let rows = rows(&format!("\n## table\n{table}"), "table").into_iter().filter(|row| row.len() == 4);
    let labels = |cell: &str| cell.split(", ").filter(|label| !label.is_empty()).map(str::to_owned).collect();
    let mut families = BTreeMap::new();
    for row in rows {
        let twice = families.insert(span(&row[0]).unwrap().to_owned(), (row[1].clone(), labels(&row[2])));
        assert!(twice.is_none(), "{} is there twice", row[0]);
    }
    families
}

#[test]
fn every_metric_is_in_the_table() {
    let config = text("examples/minimal.yaml").replace(
        "rollout: { strategy: canary }",
        "rollout: { strategy: canary, conversion: { path: { exact: /buy }, window: 1s } }",
    );
    let running = Running::start("metrics", &config);
    let documented = documented();
    assert!(documented.len() >= 15, "{documented:?}");
    let mut exported = BTreeMap::new();
    let refused = format!("/{}", "x".repeat(9_000));
    // Visitors are counted by a thread that looks every few milliseconds, and their windows close after two seconds; each
    // round brings new ones.
    for _ in 0..10_000 {
        for path in ["/", "/fail", "/buy", &refused] {
            running.get(path, &[]);
        }
        exported = families(&running.metrics());
        if exported == documented {
            return;
        }
    }
    assert_eq!(exported, documented);
}

#[test]
fn expositions_are_read() {
    let read = families(
        "# HELP a b\n# TYPE a counter\na_total{x=\"1\",y=\"2\"} 3\n# TYPE b_seconds histogram\nb_seconds_bucket{x=\"1\",le=\"2\"} 3\n# TYPE c gauge\nc 1\n# EOF\n",
    );
    let labels = |all: &[&str]| all.iter().map(|label| (*label).to_owned()).collect::<BTreeSet<_>>();
    let expected = [
        ("a_total", ("counter", labels(&["x", "y"]))),
        ("b_seconds", ("histogram", labels(&["x"]))),
        ("c", ("gauge", labels(&[]))),
    ];
    assert_eq!(read, expected.map(|(name, (kind, labels))| (name.to_owned(), (kind.to_owned(), labels))).into());
}

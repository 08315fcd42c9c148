//! `docs/limits.md` against the constants.

use std::collections::BTreeMap;

use super::markdown::{rows, span, text};

/// The constants of a file of limits: their names and values.
fn constants(path: &str) -> BTreeMap<String, u64> {
    let source = text(path);
    let lines = source
        .lines()
        .filter_map(|line| line.trim_start_matches("pub ").trim_start_matches("pub(crate) ").strip_prefix("const "));
    let read = |line: &str| {
        let (name, rest) = line.split_once(": ")?;
        let value = rest.split_once(" = ")?.1.trim_end_matches(';').replace('_', "");
        let factors: Option<Vec<u64>> = value.split(" * ").map(|factor| factor.parse().ok()).collect();
        Some((name.to_owned(), factors?.iter().product()))
    };
    lines.map(|line| read(line).unwrap_or_else(|| panic!("{path}: cannot read {line}"))).collect()
}

#[test]
fn every_limit_has_its_row() {
    let mut known = constants("config/src/limits.rs");
    known.extend(constants("controller/src/limits.rs"));
    assert!(known.len() >= 30, "{known:?}");
    let document = text("docs/limits.md");
    let mut written = BTreeMap::new();
    for heading in [
        "Configuration",
        "Requests and connections",
        "Names of endpoints",
        "Evidence",
        "From the controller to its proxies",
        "Decisions and operators",
        "In a cluster",
        "The webhook",
    ] {
        for row in rows(&document, heading) {
            assert!(!row[2].is_empty() && row[3].len() > 3, "{}: no unit or no reason", row[0]);
            let twice = written.insert(span(&row[0]).unwrap().to_owned(), row[1].parse::<u64>().unwrap());
            assert!(twice.is_none(), "{} is there twice", row[0]);
        }
    }
    assert_eq!(written, known);
}

//! Who may import whom: `config` knows nobody, `proxy` and `controller` know `config`, only the root knows all but the cluster.

use super::sources::{assert_none, sources, text};

/// What each package may depend on of ours, in its `Cargo.toml` and in its code; the longer path first.
const ARROWS: [(&str, &[&str]); 7] = [
    ("config", &[]),
    ("inject", &["config"]),
    ("proxy", &["config"]),
    ("controller/cluster", &["config", "inject", "controller"]),
    ("controller", &["config"]),
    ("terminal", &["controller"]),
    ("kubectl", &["config", "controller", "cluster", "terminal"]),
];

/// All that `config` needs: it reads text, compares and hashes names; and describes itself to an API server.
const CONFIG_DEPENDENCIES: [&str; 9] = [
    "proptest",
    "regex",
    "schemars",
    "serde",
    "serde-saphyr",
    "serde_json",
    "serde_path_to_error",
    "siphasher",
    "strsim",
];

/// The packages that may use the crates below.
const CLUSTER_PACKAGES: [&str; 2] = ["controller/cluster", "kubectl"];

/// The crates that the standalone build does without.
const CLUSTER_CRATES: [&str; 4] = ["json-patch", "kube", "k8s-openapi", "kube-runtime"];

#[test]
fn packages_import_along_the_arrows() {
    let (mut faults, mut seen) = (Vec::new(), 0);
    for source in sources() {
        let Some((package, allowed)) =
            ARROWS.iter().find(|(package, _)| source.path.starts_with(&format!("{package}/")))
        else {
            continue;
        };
        seen += 1;
        for other in ["config", "inject", "proxy", "controller", "cluster", "terminal"] {
            // Only tests of the cluster's package have a proxy at the other end.
            let itself = package.ends_with(other) || *package == "controller/cluster" && source.is_test;
            if !itself && !allowed.contains(&other) && source.text.contains(&format!("tidegate_{other}::")) {
                faults.push(format!("{}: {package} must not import {other}", source.path));
            }
        }
    }
    assert!(seen >= 100, "saw {seen} files");
    assert_none(&faults);
}

#[test]
fn packages_depend_along_the_arrows() {
    let mut faults = Vec::new();
    for (package, allowed) in ARROWS {
        let dependencies = dependencies(&text(format!("{package}/Cargo.toml")));
        assert!(dependencies.len() >= 5, "{package}: {dependencies:?}");
        for other in dependencies.iter().filter_map(|name| name.strip_prefix("tidegate-")) {
            let for_tests = (package, other) == ("controller/cluster", "proxy");
            if !allowed.contains(&other) && !for_tests {
                faults.push(format!("{package}/Cargo.toml: {package} must not depend on {other}"));
            }
        }
        let foreign = |name: &&String| !CLUSTER_PACKAGES.contains(&package) && CLUSTER_CRATES.contains(&name.as_str());
        for name in dependencies.iter().filter(foreign) {
            faults.push(format!("{package}/Cargo.toml: {name} belongs to a package that `run` and `demo` do not link"));
        }
    }
    for name in dependencies(&text("config/Cargo.toml")) {
        if !CONFIG_DEPENDENCIES.contains(&name.as_str()) {
            faults.push(format!("config/Cargo.toml: {name}: config reads text and does nothing else"));
        }
    }
    assert_none(&faults);
}

/// The proxy faces everybody: nothing that watches files or stores state is linked to it.
#[test]
fn proxy_links_no_store_and_no_watcher() {
    let proxy = dependencies(&text("proxy/Cargo.toml"));
    let foreign: Vec<_> = proxy.iter().filter(|name| ["redb", "notify"].contains(&name.as_str())).collect();
    assert!(foreign.is_empty(), "{foreign:?}");
}

/// The one feature there is: the schemas of an API server.
const FEATURES: &str = "\n[features]\nschema = [\"dep:schemars\"]\n\n";

#[test]
fn no_package_has_features_but_the_schemas_of_the_cluster() {
    for package in [".", "config", "inject", "proxy", "controller", "controller/cluster", "terminal", "kubectl"] {
        let manifest = text(format!("{package}/Cargo.toml"));
        let rest = if package == "config" { manifest.replacen(FEATURES, "", 1) } else { manifest.clone() };
        assert!(!rest.contains("\n[features]"), "{package}: one product, one build");
        let with_schemas =
            manifest.lines().any(|line| line.starts_with("tidegate-config") && line.contains("features"));
        assert_eq!(with_schemas, package == "controller/cluster", "{package}: only objects of a cluster need schemas");
    }
}

/// The names in all dependency tables of a manifest.
fn dependencies(manifest: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut inside = false;
    for line in manifest.lines() {
        if let Some(table) = line.strip_prefix('[') {
            inside = table.trim_end_matches(']').ends_with("dependencies");
        } else if inside && line.starts_with(|first: char| first.is_ascii_alphabetic()) {
            names.extend(line.split(['.', ' ', '=']).next().map(str::to_owned));
        }
    }
    names
}

#[test]
fn dependency_tables_are_read() {
    let manifest = "[package]\nname = 'a'\n[dependencies]\n# why\nb.workspace = true\nc = '1'\n\n[dev-dependencies]\nd = { path = 'e' }\n[lints]\nf = 1\n";
    assert_eq!(dependencies(manifest), ["b", "c", "d"]);
}

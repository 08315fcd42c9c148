//! What the documents say of the tree is true of the tree.

use std::fs;

use super::sources::{assert_none, root, text};

/// The documents that speak of files and functions.
const DOCUMENTS: [&str; 4] = ["ARCHITECTURE.md", "CONTRIBUTING.md", "README.md", "SECURITY.md"];

/// The texts between single backquotes of a line.
fn spans(line: &str) -> Vec<&str> {
    line.split('`').skip(1).step_by(2).collect()
}

/// Whether a code span means a file or folder of ours: it has a slash or the ending of a file we keep, and is no address,
/// route, pattern or command.
fn is_path(span: &str) -> bool {
    let plain = span.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-/".contains(&b));
    let ending = [".rs", ".md", ".yaml", ".toml", ".svg", ".json"].iter().any(|ending| span.ends_with(ending));
    plain && !span.starts_with(['/', '.']) && (span.contains('/') || ending) || span == ".ci/run"
}

#[test]
fn files_and_functions_in_the_documents_exist() {
    let (mut faults, mut paths, mut functions) = (Vec::new(), 0, 0);
    for document in DOCUMENTS {
        let text = text(document);
        for (number, line) in prose(&text) {
            let named: Vec<_> = spans(line).into_iter().filter(|span| is_path(span)).collect();
            paths += named.len();
            let missing = named.iter().filter(|path| !is_named_elsewhere(path) && !root().join(path).exists());
            faults.extend(missing.map(|path| format!("{document}:{number}: there is no {path}")));
            let bodies: Vec<_> = named.iter().filter_map(|path| fs::read_to_string(root().join(path)).ok()).collect();
            for function in spans(line).iter().filter_map(|span| span.strip_suffix("()")) {
                functions += 1;
                let name = function.rsplit("::").next().unwrap_or(function);
                let defines = |body: &String| ["(", "<"].iter().any(|next| body.contains(&format!("fn {name}{next}")));
                if !bodies.iter().any(defines) {
                    faults.push(format!("{document}:{number}: no file named on this line has a function {name}"));
                }
            }
        }
    }
    assert!(paths >= 60, "saw {paths} paths");
    assert!(functions >= 12, "saw {functions} functions");
    assert_none(&faults);
}

/// Files that a user has and we have not.
fn is_named_elsewhere(path: &str) -> bool {
    ["tidegate.yaml", "recording.json"].contains(&path)
}

/// The lines outside fenced blocks, with their numbers.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut fenced = false;
    text.lines().enumerate().filter_map(move |(index, line)| {
        fenced ^= line.starts_with("```");
        (!fenced).then_some((index + 1, line))
    })
}

#[test]
fn links_of_the_documents_lead_somewhere() {
    let (mut faults, mut seen) = (Vec::new(), 0);
    let folder = fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().file_name());
    let docs: Vec<_> = folder.map(|name| format!("docs/{}", name.to_string_lossy())).collect();
    let documents = DOCUMENTS.iter().map(|name| (*name).to_owned());
    for document in documents.chain(docs.into_iter().filter(|name| name.contains(".md"))) {
        let folder = root().join(&document).parent().unwrap().to_owned();
        for (number, line) in prose(&text(&document)) {
            for target in line.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
                let file = target.split('#').next().unwrap_or_default();
                seen += 1;
                if !file.is_empty() && !file.starts_with("http") && !folder.join(file).exists() {
                    faults.push(format!("{document}:{number}: the link to {target} leads nowhere"));
                }
            }
        }
    }
    assert!(seen >= 20, "saw {seen} links");
    assert_none(&faults);
}

#[test]
fn architecture_fits_on_a_few_screens() {
    let lines = text("ARCHITECTURE.md").lines().count();
    assert!((60..=150).contains(&lines), "{lines} lines");
}

#[test]
fn every_package_and_folder_is_on_the_map() {
    let map = text("ARCHITECTURE.md");
    let (mut seen, mut faults) = (0, Vec::new());
    for entry in fs::read_dir(root()).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().to_string_lossy().into_owned();
        if !entry.path().is_dir() || name.starts_with('.') || name == "target" {
            continue;
        }
        seen += 1;
        if !map.contains(&format!("`{name}/")) {
            faults.push(format!("ARCHITECTURE.md does not mention {name}/"));
        }
    }
    assert!(seen >= 7, "saw {seen} folders");
    assert_none(&faults);
}

#[test]
fn only_paths_are_taken_for_paths() {
    for (span, is) in [
        ("proxy/src/handle.rs", true),
        ("deny.toml", true),
        ("config/", true),
        (".ci/run", true),
        ("/metrics", false),
        ("https://a/b", false),
        ("cargo test", false),
        ("*.example/a", false),
        ("127.0.0.1/8", true),
        ("promote", false),
    ] {
        assert_eq!(is_path(span), is, "{span}");
    }
}

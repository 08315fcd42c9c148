//! Documents, their fenced blocks and their tables.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

/// A file of the repository.
pub(crate) fn file(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The text of a file of the repository.
pub(crate) fn text(path: &str) -> String {
    fs::read_to_string(file(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every document that users read, by its path.
pub(crate) fn documents() -> Vec<String> {
    let names = |folder: &str| {
        let entries = fs::read_dir(file(folder)).unwrap().map(|entry| entry.unwrap().path());
        let markdown = entries.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
        markdown.map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect::<Vec<_>>()
    };
    let mut found = names(".");
    found.extend(names("docs").into_iter().map(|name| format!("docs/{name}")));
    found.sort();
    assert!(found.len() >= 10, "{found:?}");
    found
}

/// A fenced block.
pub(crate) struct Block {
    /// What follows the fence: `yaml`, `sh`.
    pub(crate) kind: String,
    /// The lines inside.
    pub(crate) text: String,
    /// Where it begins.
    pub(crate) line: usize,
}

/// The fenced blocks of a document.
pub(crate) fn blocks(document: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for (index, line) in document.lines().enumerate() {
        match (line.strip_prefix("```"), &mut open) {
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some(kind), None) => open = Some(Block { kind: kind.to_owned(), text: String::new(), line: index + 1 }),
            (None, Some(block)) => block.text.extend([line, "\n"]),
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a fence is not closed");
    blocks
}

/// The rows of the tables below a heading, as cells without backquotes around them; heads and rules left out.
pub(crate) fn rows(document: &str, heading: &str) -> Vec<Vec<String>> {
    let section = document.split("\n## ").find(|part| part.lines().next() == Some(heading));
    let section = section.unwrap_or_else(|| panic!("there is no section {heading}"));
    let lines = section.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix('|'));
    let cells = |line: &str| line.split('|').map(|cell| cell.trim().to_owned()).collect();
    lines.skip(1).map(cells).collect()
}

/// What stands between the backquotes of a cell that is one code span.
pub(crate) fn span(cell: &str) -> Option<&str> {
    cell.strip_prefix('`')?.strip_suffix('`').filter(|inside| !inside.contains('`'))
}

/// Compares a generated file with what it should be; with `UPDATE_DOCS` set, writes it.
pub(crate) fn assert_generated(path: &str, expected: &str) {
    if env::var_os("UPDATE_DOCS").is_some() {
        fs::write(file(path), expected).unwrap();
        return;
    }
    let found = fs::read_to_string(file(path)).unwrap_or_default();
    let same = found.lines().zip(expected.lines()).take_while(|(found, expected)| found == expected).count();
    let line = |text: &str| text.lines().nth(same).unwrap_or("(end)").to_owned();
    assert!(
        found == expected,
        "{path} is not up to date from line {}:\n  has    {}\n  should {}\nUPDATE_DOCS=1 cargo test --test docs writes it anew",
        same + 1,
        line(&found),
        line(expected)
    );
}

#[test]
fn tables_and_blocks_are_read() {
    let document = "# a\n\n## b\n\n| x | y |\n|---|---|\n| `z` | |\n\n```sh\nls\n```\n\n## c\n\n| d | e |\n|---|---|\n";
    assert_eq!(rows(document, "b"), [["`z`", ""]]);
    assert!(rows(document, "c").is_empty());
    let blocks = blocks(document);
    assert_eq!((blocks.len(), blocks[0].kind.as_str(), blocks[0].text.as_str(), blocks[0].line), (1, "sh", "ls\n", 9));
    assert_eq!((span("`z`"), span("`a` or `b`"), span("z")), (Some("z"), None, None));
}

//! The files of the repository as the rules see them.

use std::fs;
use std::path::{Path, PathBuf};

/// The root of the repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A file by its path in the repository.
pub(crate) fn text(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A Rust source file.
pub(crate) struct Source {
    /// Its path in the repository, with `/`.
    pub(crate) path: String,
    /// The whole of it.
    pub(crate) text: String,
    /// Whether it is a test, a benchmark or an example as a whole.
    pub(crate) is_test: bool,
}

impl Source {
    /// The part that ships: all that stands before the unit tests; nothing of a test file.
    pub(crate) fn shipped(&self) -> &str {
        if self.is_test {
            return "";
        }
        self.text.split("\n#[cfg(test)]\nmod ").next().unwrap_or_default()
    }

    /// The shipped part without comments and without what stands in string and character literals.
    pub(crate) fn code(&self) -> String {
        code(self.shipped())
    }

    /// Its first line's documentation.
    pub(crate) fn doc(&self) -> Option<&str> {
        self.text.strip_prefix("//! ").and_then(|rest| rest.lines().next())
    }
}

/// Every Rust file of the workspace.
pub(crate) fn sources() -> Vec<Source> {
    let is_rust = |path: &Path| path.extension().is_some_and(|extension| extension == "rs");
    let paths = files(root()).into_iter().filter(|path| is_rust(path));
    let mut sources: Vec<Source> = paths
        .map(|path| {
            let in_repository = in_repository(&path);
            let is_test = in_repository.split('/').any(|part| ["tests", "benches", "examples"].contains(&part));
            Source { path: in_repository, text: fs::read_to_string(&path).unwrap(), is_test }
        })
        .collect();
    let tests: Vec<String> = sources.iter().flat_map(test_modules).collect();
    for source in &mut sources {
        source.is_test |= tests.contains(&source.path);
    }
    sources
}

/// The files of the modules that a file has for its tests alone.
fn test_modules(source: &Source) -> Vec<String> {
    let own = source.path.trim_end_matches(".rs");
    // The root of a crate has its modules beside it, every other file in the folder of its name.
    let folder = own.strip_suffix("/lib").or_else(|| own.strip_suffix("/main")).unwrap_or(own);
    let lines = source.text.split("#[cfg(test)]\n").skip(1).filter_map(|rest| rest.lines().next());
    let module = |line: &str| line.split_once("mod ").and_then(|(_, name)| Some(name.strip_suffix(';')?.to_owned()));
    lines.filter_map(module).map(|name| format!("{folder}/{name}.rs")).collect()
}

/// Every file below a folder, but nothing that was built and nothing of git's.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap_or_default();
        if !path.is_dir() {
            found.push(path);
        } else if name != "target" && name != ".git" {
            found.extend(files(&path));
        }
    }
    found.sort();
    found
}

/// A path as the rules and the documents write it.
pub(crate) fn in_repository(path: &Path) -> String {
    path.strip_prefix(root()).unwrap().to_string_lossy().replace('\\', "/")
}

/// Fails with every fault on a line of its own.
pub(crate) fn assert_none(faults: &[String]) {
    assert!(faults.is_empty(), "{} faults:\n{}\n", faults.len(), faults.join("\n"));
}

/// Takes comments and the insides of literals out of Rust.
pub(crate) fn code(text: &str) -> String {
    let bytes = text.as_bytes();
    let (mut out, mut at) = (Vec::new(), 0);
    while let Some(byte) = bytes.get(at) {
        let rest = &bytes[at..];
        at += match byte {
            b'/' if rest.starts_with(b"//") => length(rest, b"\n"),
            b'/' if rest.starts_with(b"/*") => length(rest, b"*/") + 2,
            b'"' => escaped(rest, b'"'),
            b'r' if raw(rest).is_some() && !follows_a_word(&out) => raw(rest).unwrap_or(1),
            b'\'' if is_character(rest) => escaped(rest, b'\''),
            _ => {
                out.push(*byte);
                1
            }
        };
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn length(rest: &[u8], end: &[u8]) -> usize {
    rest.windows(end.len()).position(|window| window == end).unwrap_or(rest.len())
}

/// The length of a literal that ends at an unescaped quote.
fn escaped(rest: &[u8], quote: u8) -> usize {
    let mut at = 1;
    while rest.get(at).is_some_and(|byte| *byte != quote) {
        at += if rest[at] == b'\\' { 2 } else { 1 };
    }
    at + 1
}

/// The length of a raw string, if this is one.
fn raw(rest: &[u8]) -> Option<usize> {
    let hashes = rest[1..].iter().take_while(|byte| **byte == b'#').count();
    let end = [b"\"".as_slice(), &b"#".repeat(hashes)].concat();
    let body = rest.get(hashes + 2..)?;
    (rest[hashes + 1] == b'"').then(|| hashes + 2 + length(body, &end) + end.len())
}

fn follows_a_word(out: &[u8]) -> bool {
    out.last().is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
}

/// A character literal and not a lifetime.
fn is_character(rest: &[u8]) -> bool {
    let text = String::from_utf8_lossy(&rest[..rest.len().min(8)]).into_owned();
    let mut characters = text.chars().skip(1);
    characters.next() == Some('\\') || characters.next() == Some('\'')
}

#[test]
fn comments_and_literals_are_no_code() {
    for (text, rest) in [
        ("a(); // b\nc", "a(); \nc"),
        ("a /* b */ c", "a  c"),
        (r#"a("b \" c", d)"#, "a(, d)"),
        ("a(r#\"b \" c\"#, d)", "a(, d)"),
        ("a('b', '\\'', 'c)", "a(, , 'c)"),
        ("var\"x\"", "var"),
    ] {
        assert_eq!(code(text), rest, "{text}");
    }
}

#[test]
fn modules_for_tests_are_no_part_of_what_ships() {
    let sources = sources();
    for (path, is_test) in [
        ("controller/src/store.rs", false),
        ("controller/src/store/tests.rs", true),
        ("controller/tests/shell.rs", true),
        ("src/main.rs", false),
    ] {
        let source = sources.iter().find(|source| source.path == path);
        assert_eq!(source.map(|source| source.is_test), Some(is_test), "{path}");
    }
}

//! One document of a text, with the characters it came in.

use serde_json::Value;

/// A document.
pub(super) struct Document<'a> {
    /// Which one of its text, from 1.
    pub(super) number: usize,
    /// Its text, from its `---` on.
    text: &'a str,
    /// What it says.
    pub(super) value: Value,
    /// Whether it says something else than its text now.
    pub(super) changed: bool,
}

/// A document's text, and what is before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part<'a> {
    /// Which document it is, from 1.
    pub(super) number: usize,
    text: &'a str,
    lines_before: usize,
}

/// Cuts a text into its documents. `---` at the beginning of a line is a mark of YAML's even inside a block of text, so
/// lines are all there is to look at. The part before the first mark is no document if it says nothing.
pub(super) fn split(text: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let (mut begin, mut at, mut lines_before) = (0, 0, 0);
    for (line, content) in text.split_inclusive('\n').enumerate() {
        let is_mark = content
            .strip_prefix("---")
            .is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r', '\n']));
        // Comments above a document stay with it, and are none of their own.
        let is_something = |line: &str| !line.trim_start().starts_with('#') && !line.trim().is_empty();
        if is_mark && text[begin..at].lines().any(is_something) {
            parts.push(Part { number: parts.len() + 1, text: &text[begin..at], lines_before });
            (begin, lines_before) = (at, line);
        }
        at += content.len();
    }
    parts.push(Part { number: parts.len() + 1, text: &text[begin..], lines_before });
    parts
}

impl<'a> Document<'a> {
    /// Reads a document; what is wrong is said with the line in the whole text.
    pub(super) fn read(part: Part<'a>) -> Result<Self, String> {
        let read = |text: &str| serde_saphyr::from_str::<Value>(text);
        let value = read(part.text).map_err(|error| {
            // Once more with as many lines before it as there are, for the numbers in the message.
            let message = read(&format!("{}{}", "\n".repeat(part.lines_before), part.text)).err().unwrap_or(error);
            first_line(&message.to_string()).to_owned()
        })?;
        Ok(Self { number: part.number, text: part.text, value, changed: false })
    }

    /// Its text: as it came, or anew.
    pub(super) fn written(&self) -> Result<String, String> {
        if !self.changed {
            return Ok(self.text.to_owned());
        }
        let yaml = serde_saphyr::to_string(&self.value).map_err(|error| error.to_string())?;
        let mark = if self.text.contains("---") { "---\n" } else { "" };
        let end = if yaml.ends_with('\n') { "" } else { "\n" };
        Ok(format!("{mark}{yaml}{end}"))
    }
}

/// What the parser says, without the picture of the place and its advice to programmers.
fn first_line(message: &str) -> &str {
    let first = message.lines().next().unwrap_or_default();
    first.strip_prefix("error: ").unwrap_or(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_cut_at_their_marks() {
        let rows: [(&str, &[&str]); 8] = [
            ("", &[""]),
            ("a: 1\n", &["a: 1\n"]),
            ("---\na: 1\n---\nb: 2", &["---\na: 1\n", "---\nb: 2"]),
            ("# why\n---\na: 1\n", &["# why\n---\na: 1\n"]),
            ("a: |\n  x\n  ---\n  y\n--- # two\nb: 2\n", &["a: |\n  x\n  ---\n  y\n", "--- # two\nb: 2\n"]),
            ("a: 1\r\n---\r\nb: 2\r\n", &["a: 1\r\n", "---\r\nb: 2\r\n"]),
            ("a: 1\n----\n", &["a: 1\n----\n"]),
            ("---\n---\na: 1\n", &["---\n", "---\na: 1\n"]),
        ];
        for (text, expected) in rows {
            let parts: Vec<_> = split(text).into_iter().map(|part| part.text).collect();
            assert_eq!(parts, expected, "{text:?}");
            assert_eq!(parts.concat(), text);
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        let parts = split("a: 1\n---\nb: 2\nb: 3\n");
        let wrong = Document::read(parts[1]).err().unwrap();
        assert!(wrong.contains("line 4"), "{wrong}");
    }

    #[test]
    fn texts_that_look_like_something_else_stay_texts() {
        let words =
            ["true", "yes", "on", "y", "1", "1e3", "0x1", "010", "~", "null", "", "1:30", "- a", "a: b", "#", "a\nb\n"];
        let value: Value = words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>().into();
        let document = Document { number: 1, text: "", value: value.clone(), changed: true };
        let written = document.written().unwrap();
        assert_eq!(serde_saphyr::from_str::<Value>(&written).unwrap(), value, "{written}");
        for quoted in ["true", "yes", "on", "y", "1", "010"] {
            assert!(!written.lines().any(|line| line == format!("- {quoted}")), "{written}");
        }
    }
}

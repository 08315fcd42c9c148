//! PURE. The Prometheus text exposition format 0.0.4, read sample by sample and borrowed from the input. What
//! `OpenMetrics` adds (`# EOF`, exemplars, fractional timestamps) is read over.

use std::borrow::Cow;

use crate::limits::{LABELS_MAX, LINE_BYTES_MAX};

/// One sample: a line `name{label="value",…} value [timestamp] [# exemplar]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample<'a> {
    /// The metric's name, with its suffix (`_total`, `_bucket`).
    pub name: &'a str,
    /// The labels in the order of the line; no name occurs twice.
    pub labels: Vec<(&'a str, Cow<'a, str>)>,
    /// The value; may be infinite or not a number.
    pub value: f64,
}

impl Sample<'_> {
    /// The value of a label.
    pub fn label(&self, name: &str) -> Option<&str> {
        self.labels.iter().find(|(label, _)| *label == name).map(|(_, value)| value.as_ref())
    }

    /// The value as a count: a whole number from 0 to 2^53, past which an `f64` no longer holds every integer.
    pub fn count(&self) -> Option<u64> {
        const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
        let whole = (0.0..=EXACT_MAX).contains(&self.value) && self.value.fract() == 0.0;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole, and in 0..=2^53")]
        whole.then_some(self.value as u64)
    }
}

/// A line that is not of the format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {wrong}: {shown:?}")]
pub struct ExpositionError {
    /// Number of the line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub wrong: &'static str,
    /// The beginning of the line.
    pub shown: String,
}

/// The samples of an exposition, in order. Ends after the first error, at `# EOF`, or with the text.
pub fn samples(text: &str) -> Samples<'_> {
    Samples { lines: text.split('\n').enumerate(), over: false }
}

/// Iterator over the samples of an exposition.
#[derive(Debug)]
pub struct Samples<'a> {
    lines: std::iter::Enumerate<std::str::Split<'a, char>>,
    over: bool,
}

impl<'a> Iterator for Samples<'a> {
    type Item = Result<Sample<'a>, ExpositionError>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.over {
            let (index, line) = self.lines.next()?;
            let text = line.trim_matches([' ', '\t', '\r']);
            if text == "# EOF" {
                self.over = true;
            } else if !text.is_empty() && !text.starts_with('#') {
                let read = sample(text).map_err(|wrong| {
                    let shown = text.chars().take(80).collect();
                    ExpositionError { line: index + 1, wrong, shown }
                });
                self.over = read.is_err();
                return Some(read);
            }
        }
        None
    }
}

fn sample(line: &str) -> Result<Sample<'_>, &'static str> {
    if line.len() > LINE_BYTES_MAX {
        return Err("a line that is too long");
    }
    let (name, rest) = word(line, |b| b == b':').ok_or("no metric name at the start")?;
    let mut rest = blank(rest);
    let mut labels = Vec::new();
    if let Some(inner) = rest.strip_prefix('{') {
        rest = blank(read_labels(inner, &mut labels)?);
    } else if rest.len() + name.len() == line.len() {
        return Err("no value after the name");
    }
    let (value, rest) = rest.split_once([' ', '\t']).unwrap_or((rest, ""));
    let value = value.parse().map_err(|_| "a value that is no number")?;
    // An exemplar is ours to ignore: `# {trace_id="…"} 0.7 1700000000`.
    let timestamp = rest.split_once('#').map_or(rest, |(before, _)| before).trim();
    if !timestamp.is_empty() && !timestamp.parse::<f64>().is_ok_and(f64::is_finite) {
        return Err("a timestamp that is no number");
    }
    Ok(Sample { name, labels, value })
}

/// Reads the labels after `{` into `labels` and returns what follows `}`.
fn read_labels<'a>(mut rest: &'a str, labels: &mut Vec<(&'a str, Cow<'a, str>)>) -> Result<&'a str, &'static str> {
    loop {
        rest = blank(rest);
        if let Some(after) = rest.strip_prefix('}') {
            return Ok(after);
        }
        let (name, after) = word(rest, |_| false).ok_or("no label name where one belongs")?;
        let after = blank(after).strip_prefix('=').ok_or("no = after a label name")?;
        let after = blank(after).strip_prefix('"').ok_or("a label value without its quotation mark")?;
        let (value, after) = quoted(after)?;
        if labels.iter().any(|(other, _)| *other == name) {
            return Err("a label given twice");
        }
        if labels.len() == LABELS_MAX {
            return Err("too many labels");
        }
        labels.push((name, value));
        rest = blank(after);
        match rest.strip_prefix(',') {
            Some(after) => rest = after,
            None if rest.starts_with('}') => {}
            None => return Err("neither , nor } after a label"),
        }
    }
}

/// Reads a label value up to its closing quotation mark; copies it only where it holds an escape.
fn quoted(text: &str) -> Result<(Cow<'_, str>, &str), &'static str> {
    const OPEN: &str = "a label value without its closing quotation mark";
    let end = text.find(['"', '\\']).ok_or(OPEN)?;
    if text[end..].starts_with('"') {
        return Ok((Cow::Borrowed(&text[..end]), &text[end + 1..]));
    }
    let mut value = text[..end].to_owned();
    let mut chars = text[end..].char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Ok((Cow::Owned(value), &text[end + at + 1..])),
            '\\' => match chars.next() {
                Some((_, 'n')) => value.push('\n'),
                Some((_, c @ ('"' | '\\'))) => value.push(c),
                _ => return Err("an escape other than \\\\, \\\" and \\n"),
            },
            c => value.push(c),
        }
    }
    Err(OPEN)
}

/// Splits off a name: letters, digits, `_` and what `more` allows, not beginning with a digit.
fn word(text: &str, more: impl Fn(u8) -> bool) -> Option<(&str, &str)> {
    let inner = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || more(b);
    let length = text.bytes().take_while(|b| inner(*b)).count();
    let fits = length > 0 && !text.as_bytes()[0].is_ascii_digit();
    fits.then(|| text.split_at(length))
}

fn blank(text: &str) -> &str {
    text.trim_start_matches([' ', '\t'])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Result<Vec<Sample<'_>>, ExpositionError> {
        samples(text).collect()
    }

    #[test]
    fn reads_what_a_proxy_writes() {
        let text = "# HELP a_total Words.\n# TYPE a_total counter\na_total{service=\"shop\",le=\"+Inf\"} 12\n\nup 1\n";
        let read = read(text).unwrap();
        assert_eq!(read.len(), 2);
        assert_eq!(
            (read[0].name, read[0].label("service"), read[0].label("le")),
            ("a_total", Some("shop"), Some("+Inf"))
        );
        assert_eq!((read[0].count(), read[0].label("other"), read[1].labels.len()), (Some(12), None, 0));
    }

    #[test]
    fn tolerates_the_variants_of_the_format() {
        for (text, why) in [
            ("a 1 1395066363000", "a timestamp in milliseconds"),
            ("a 1 1395066363.5", "a timestamp in seconds, OpenMetrics"),
            ("a_total{} 1.0 # {trace_id=\"x y\"} 0.7 1.5", "an exemplar"),
            ("a 1 -5 # {t=\"#\"} 1", "a timestamp and an exemplar"),
            ("  a \t { b = \"c\" , } 1e0  \r", "blanks, a comma at the end, a carriage return"),
            ("a:b 1\n# EOF\nthis is not read", "the end mark"),
        ] {
            let read = read(text).unwrap_or_else(|error| panic!("{why}: {error}"));
            assert_eq!((read.len(), read[0].count()), (1, Some(1)), "{why}");
        }
        let escaped = r#"a{b="1\\2\"3\n4ü"} NaN"#;
        assert_eq!(read(escaped).unwrap()[0].label("b"), Some("1\\2\"3\n4ü"));
        assert!(read("a +Inf").unwrap()[0].value.is_infinite());
    }

    #[test]
    fn names_the_line_that_is_wrong() {
        let many = (0..=LABELS_MAX).map(|i| format!("l{i}=\"\"")).collect::<Vec<_>>().join(",");
        for (line, wrong) in [
            ("1a 1", "no metric name"),
            ("a", "no value"),
            ("a{} ", "no number"),
            ("a1", "no value"),
            ("a x", "no number"),
            ("a 1 x", "timestamp"),
            ("a 1 NaN", "timestamp"),
            ("a{b} 1", "no = after"),
            ("a{b=c} 1", "quotation mark"),
            ("a{b=\"c} 1", "closing"),
            ("a{b=\"\\t\"} 1", "escape"),
            ("a{b=\"c\" d=\"e\"} 1", "neither"),
            ("a{b=\"\",b=\"\"} 1", "twice"),
            ("a{,} 1", "label name"),
            (&format!("a{{{many}}} 1"), "too many"),
            (&"a".repeat(LINE_BYTES_MAX + 1), "too long"),
        ] {
            let error = read(&format!("# c\nok 1\n{line}\nok 2\n")).unwrap_err();
            assert!(error.line == 3 && error.wrong.contains(wrong), "{line}: {error}");
        }
    }

    #[test]
    fn a_count_is_a_whole_number() {
        for (text, count) in
            [("1e3", Some(1_000)), ("0", Some(0)), ("-1", None), ("0.5", None), ("NaN", None), ("1e300", None)]
        {
            assert_eq!(read(&format!("a {text}")).unwrap()[0].count(), count, "{text}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in "\\PC*") {
            let _ = read(&text);
        }

        #[test]
        fn never_panics_near_the_format(text in "(a|\\{|\\}|=|\"|\\\\|,| |1|#|é|\n){0,40}") {
            let _ = read(&text);
        }

        #[test]
        fn any_label_value_comes_back(value in "\\PC*") {
            let escaped = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let text = format!("a{{b=\"{escaped}\"}} 1");
            let read = read(&text).unwrap();
            prop_assert_eq!(read[0].label("b"), Some(value.as_str()));
        }
    }
}

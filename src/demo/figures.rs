//! PURE. Numbers as people read them.

use std::time::Duration;

/// `2610` as `2,610`.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A fraction as a percentage with `decimals`; `–` where there is none.
pub(crate) fn percent(part: Option<f64>, decimals: usize) -> String {
    part.map_or_else(|| "–".to_owned(), |part| format!("{:.decimals$}%", part * 100.0))
}

/// Evidence: more digits the smaller it is, and none that mean nothing.
pub(crate) fn evidence(log: f64) -> String {
    let value = log.exp();
    match log {
        _ if log.is_nan() => "undefined".to_owned(),
        _ if value >= 1e6 => "> 1 million".to_owned(),
        _ if value >= 1_000.0 => thousands(value),
        _ if value >= 10.0 => format!("{value:.0}"),
        _ if value >= 1.0 => format!("{value:.1}"),
        _ if value >= 0.01 => format!("{value:.2}"),
        _ => "< 0.01".to_owned(),
    }
}

fn thousands(value: f64) -> String {
    let text = format!("{value:.0}");
    text.parse().map_or(text, count)
}

/// A response time.
pub(crate) fn millis(seconds: Option<f64>) -> String {
    seconds.map_or_else(|| "–".to_owned(), |seconds| format!("{:.0} ms", seconds * 1_000.0))
}

/// A stretch of time in whole seconds: `55 s`, `1 min 5 s`.
pub(crate) fn duration(time: Duration) -> String {
    let seconds = time.as_secs();
    match (seconds / 60, seconds % 60) {
        (0, seconds) => format!("{seconds} s"),
        (minutes, seconds) => format!("{minutes} min {seconds} s"),
    }
}

/// A time that is forecast, and so not known to the second.
pub(crate) fn forecast(seconds: f64) -> String {
    match seconds {
        s if !s.is_finite() => "unknown".to_owned(),
        s if s < 1.0 => "now".to_owned(),
        s if s < 99.5 => format!("in about {s:.0} s"),
        s if s < 5_970.0 => format!("in about {:.0} min", s / 60.0),
        s => format!("in about {:.0} h", s / 3_600.0),
    }
}

/// A text in lines of at most `width` characters, broken at spaces; a longer word is cut.
pub(crate) fn wrap(text: &str, width: usize) -> Vec<String> {
    let width = width.max(1);
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        let mut word: Vec<char> = word.chars().collect();
        if !line.is_empty() && line.chars().count() + 1 + word.len() > width {
            lines.push(std::mem::take(&mut line));
        }
        while word.len() > width {
            lines.push(word.drain(..width).collect());
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.extend(word);
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

/// The first `width` characters, with `…` in the place of the last where there are more.
pub(crate) fn clip(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let mut clipped: String = text.chars().take(width.saturating_sub(1)).collect();
    clipped.extend(std::iter::repeat_n('…', width.min(1)));
    clipped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        let check = |found: String, expected: &str| assert_eq!(found, expected);
        check(count(1_234_567), "1,234,567");
        check(count(12), "12");
        check(percent(Some(0.0517), 1), "5.2%");
        check(percent(None, 1), "–");
        check(evidence(0.0), "1.0");
        check(evidence(-30.0), "< 0.01");
        check(evidence(2_469.6_f64.ln()), "2,470");
        check(evidence(f64::NAN), "undefined");
        check(evidence(900.0), "> 1 million");
        check(millis(Some(0.0214)), "21 ms");
        check(duration(Duration::from_secs(65)), "1 min 5 s");
        check(forecast(12.3), "in about 12 s");
        check(forecast(0.0), "now");
        check(forecast(600.0), "in about 10 min");
        check(clip("better", 6), "better");
        check(clip("better", 4), "bet…");
        check(clip("better", 0), "");
    }

    #[test]
    fn texts_wrap_at_spaces() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("abcdefgh ij", 3), ["abc", "def", "gh", "ij"]);
        assert!(wrap("", 3).is_empty());
        assert!(wrap("one two", 0).iter().all(|line| line.chars().count() == 1));
    }
}

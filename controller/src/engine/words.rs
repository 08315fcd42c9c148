//! Numbers as people read them.

use tidegate_config::Name;

use crate::evidence::increment::real;

/// `2610` as `2,610`.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A part of a whole as a percentage with two significant digits: `0.0517` as `5.2%`, `0.002` as `0.2%`.
pub(crate) fn percent(part: f64) -> String {
    let percent = part * 100.0;
    if !percent.is_finite() {
        return "unknown".to_owned();
    }
    let decimals = match percent.abs() {
        p if !(5e-5..9.95).contains(&p) => 0,
        p if p >= 0.995 => 1,
        p if p >= 0.0995 => 2,
        p if p >= 0.00995 => 3,
        _ => 4,
    };
    let text = format!("{percent:.decimals$}");
    let text = if decimals > 1 { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{text}%")
}

/// Part `events` of `units` as a percentage; `–` of nothing.
pub(crate) fn rate(events: u64, units: u64) -> String {
    if units == 0 { "–".to_owned() } else { percent(real(events) / real(units)) }
}

/// A length of time in its two largest units: `55 s`, `2 min 5 s`, `1 h 3 min`.
pub(crate) fn duration(millis: u64) -> String {
    let seconds = millis.div_ceil(1_000);
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    let parts = [(days, "d"), (hours, "h"), (minutes, "min"), (seconds % 60, "s")];
    let first = parts.iter().position(|(number, _)| *number > 0).unwrap_or(parts.len() - 1);
    let shown = parts.iter().skip(first).take(2).enumerate().filter(|(i, (number, _))| *i == 0 || *number > 0);
    shown.map(|(_, (number, unit))| format!("{number} {unit}")).collect::<Vec<_>>().join(" ")
}

/// Evidence as a plain number, from its logarithm: `0.53`, `14`, `2,470`, `over a million`.
pub(crate) fn evidence(log: f64) -> String {
    let value = log.exp();
    match log {
        _ if log.is_nan() => "undefined".to_owned(),
        _ if value >= 1e6 => "over a million".to_owned(),
        _ if value >= 1_000.0 => {
            let text = format!("{value:.0}");
            text.parse().map_or(text, count)
        }
        _ if value >= 10.0 => format!("{value:.0}"),
        _ if value >= 1.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// Names in a sentence: `a`, `a and b`, `a, b and c`.
pub(crate) fn list(names: &[Name]) -> String {
    let (last, before) = match names.split_last() {
        None => return String::new(),
        Some((last, [])) => return last.to_string(),
        Some(both) => both,
    };
    let before = before.iter().map(Name::as_str).collect::<Vec<_>>().join(", ");
    format!("{before} and {last}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        let check = |found: String, expected: &str| assert_eq!(found, expected);
        check(count(0), "0");
        check(count(999), "999");
        check(count(1_234_567), "1,234,567");
        check(percent(15.0 / 290.0), "5.2%");
        check(percent(0.5), "50%");
        check(percent(0.002), "0.2%");
        check(percent(0.0001), "0.01%");
        check(percent(0.0), "0%");
        check(percent(0.01), "1.0%");
        check(percent(1.0), "100%");
        check(rate(1, 0), "–");
        check(duration(0), "0 s");
        check(duration(55_000), "55 s");
        check(duration(125_000), "2 min 5 s");
        check(duration(3_600_000), "1 h");
        check(duration(90_061_000), "1 d 1 h");
        check(evidence(0.0), "1.0");
        check(evidence(100.0_f64.ln()), "100");
        check(evidence(2_469.6_f64.ln()), "2,470");
        check(evidence(900.0), "over a million");
        check(evidence(-1.0), "0.37");
    }
}

//! PURE. The text of a line.

use std::fmt::{Display, Write};
use std::time::Duration;

use http::{HeaderValue, Version};
use tidegate_config::limits;

use super::{Answer, Chosen, Entry, Why};

/// Adds the line of `entry` to `out`. What is not known is left out.
pub(super) fn line(entry: &Entry, out: &mut String) {
    let Entry { at, client, protocol, method, uri, host, id, snapshot, chosen, answer, latency } = entry;
    let mut object = Object::begin(out);
    object.text("time", rfc3339(*at).as_bytes());
    object.text("client", client.to_string().as_bytes());
    object.text("protocol", name(*protocol).as_bytes());
    object.text("method", method.as_str().as_bytes());
    // RFC 9112 §3.2.2: the host of the target wins.
    let authority = uri.authority().map(|authority| authority.as_str().as_bytes());
    if let Some(host) = authority.or_else(|| host.as_ref().map(HeaderValue::as_bytes)) {
        // Whatever a client put before the host could be a password.
        object.text("host", host.rsplit(|b| *b == b'@').next().unwrap_or_default());
    }
    object.text("path", uri.path().as_bytes());
    match answer {
        Some(Answer { status, reason }) => {
            object.value("status", status.as_u16());
            if let Some(reason) = reason {
                object.text("reason", reason.as_bytes());
            }
        }
        None => object.text("reason", b"client-gone"),
    }
    if let Some((chosen, service)) = chosen.and_then(|chosen| Some((chosen, snapshot.services.get(chosen.service)?))) {
        let Chosen { service: _, arm, instead, why, new_visitor } = chosen;
        let version = |arm: usize| service.arms.get(arm).map_or("", |arm| arm.version.as_str()).as_bytes();
        object.text("service", service.name.as_str().as_bytes());
        object.text("version", version(instead.unwrap_or(arm)));
        object.text("why", if instead.is_some() { "fallback" } else { why.name() }.as_bytes());
        if instead.is_some() {
            object.text("insteadOf", version(arm));
        }
        object.value("epoch", service.epoch);
        if let Some(new) = new_visitor {
            object.value("newVisitor", new);
        }
    }
    object.value("generation", snapshot.generation);
    object.value("latencyMs", format_args!("{:.3}", milliseconds(*latency)));
    if let Some(id) = id {
        object.text("requestId", id.as_bytes());
    }
    object.end();
}

impl Why {
    const fn name(self) -> &'static str {
        match self {
            Self::Assigned => "assigned",
            Self::Chosen => "chosen",
            Self::Protected => "protected",
            Self::Only => "only",
        }
    }
}

fn name(protocol: Version) -> &'static str {
    match protocol {
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2",
        _ => "HTTP/1.1",
    }
}

fn milliseconds(span: Duration) -> f64 {
    span.as_secs_f64() * 1e3
}

/// A JSON object (RFC 8259) under way. Writing to a `String` never fails.
struct Object<'a> {
    out: &'a mut String,
    separator: char,
}

impl<'a> Object<'a> {
    fn begin(out: &'a mut String) -> Self {
        Self { out, separator: '{' }
    }

    fn end(self) {
        self.out.push_str("}\n");
    }

    /// A member that is a number or a boolean.
    fn value(&mut self, name: &str, value: impl Display) {
        let _ = write!(self.out, "{}\"{name}\":{value}", self.separator);
        self.separator = ',';
    }

    /// A member that is a string: what no terminal should see is escaped, what is no UTF-8 replaced, and what is longer
    /// than a request target may be is cut.
    fn text(&mut self, name: &str, text: &[u8]) {
        let _ = write!(self.out, "{}\"{name}\":\"", self.separator);
        self.separator = ',';
        for chunk in text[..text.len().min(limits::URI_BYTES_MAX)].utf8_chunks() {
            for c in chunk.valid().chars() {
                match c {
                    '"' | '\\' => self.out.extend(['\\', c]),
                    // All of them, C1 too, lie below U+0100.
                    _ if c.is_control() => drop(write!(self.out, "\\u{:04x}", u32::from(c))),
                    _ => self.out.push(c),
                }
            }
            if !chunk.invalid().is_empty() {
                self.out.push(char::REPLACEMENT_CHARACTER);
            }
        }
        self.out.push('"');
    }
}

/// The time as RFC 3339 §5.6 writes it, in UTC with milliseconds.
fn rfc3339(milliseconds: u64) -> String {
    let (seconds, fraction) = (milliseconds / 1_000, milliseconds % 1_000);
    let (minutes, hours) = (seconds / 60, seconds / 3_600);
    let (year, month, day) = date(hours / 24);
    let (hour, minute, second) = (hours % 24, minutes % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{fraction:03}Z")
}

/// The date in the Gregorian calendar so many days after 1 January 1970.
fn date(mut days: u64) -> (u64, usize, u64) {
    let is_leap = |year: u64| year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400);
    // 400 years always have 146,097 days, so that no number of days takes long.
    let mut year = 1970 + days / 146_097 * 400;
    days %= 146_097;
    while days >= 365 + u64::from(is_leap(year)) {
        days -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let mut lengths = [31, 28 + u64::from(is_leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31].into_iter();
    let mut month = 1;
    while let Some(length) = lengths.next().filter(|length| days >= *length) {
        days -= length;
        month += 1;
    }
    (year, month, days + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rfc_3339() {
        for (milliseconds, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399_999, "2000-02-28T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (951_868_800_001, "2000-03-01T00:00:00.001Z"),
            (1_735_689_599_000, "2024-12-31T23:59:59.000Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
            (13_574_563_200_000, "2400-02-29T00:00:00.000Z"),
        ] {
            assert_eq!(rfc3339(milliseconds), text);
        }
    }

    #[test]
    fn strings_are_safe_for_parsers_and_terminals() {
        for (bytes, text) in [
            (&b"plain /path"[..], "plain /path"),
            (b"\"quoted\" \\ back", "\\\"quoted\\\" \\\\ back"),
            (b"\x1b[31m\r\n\t\0\x7f", "\\u001b[31m\\u000d\\u000a\\u0009\\u0000\\u007f"),
            ("\u{9b}31m and ü".as_bytes(), "\\u009b31m and ü"),
            (b"\xff\xfe.", "\u{fffd}\u{fffd}."),
        ] {
            let mut out = String::new();
            let mut object = Object::begin(&mut out);
            object.text("a", bytes);
            object.end();
            assert_eq!(out, format!("{{\"a\":\"{text}\"}}\n"));
        }
    }
}

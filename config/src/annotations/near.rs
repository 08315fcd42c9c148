//! The name that was probably meant.

use std::fmt;

/// What is allowed in the place of an unknown name: the near one first.
pub(super) fn allowed(unknown: &str, known: &[String]) -> String {
    match nearest(unknown, known) {
        Some(near) => format!("`{near}`, if that is meant; all there are: {}", list(known.iter())),
        None => list(known.iter()),
    }
}

/// Names in a sentence.
pub(super) fn list(names: impl Iterator<Item: fmt::Display>) -> String {
    names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// The known name with the same letters in another spelling, or with a few other letters.
fn nearest<'a>(unknown: &str, known: &'a [String]) -> Option<&'a String> {
    let letters = |name: &str| name.replace(['-', '_', '.'], "").to_ascii_lowercase();
    let unknown = letters(unknown);
    // One letter in three may be wrong; past that it is another word.
    let distances = known.iter().map(|name| (strsim::damerau_levenshtein(&letters(name), &unknown), name));
    distances
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, _)| distance * 3 <= unknown.len())
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_found() {
        let known = ["strategy", "soak", "onDeadline", "on-failure", "maxHarm"].map(str::to_owned);
        for (unknown, near) in [
            ("on-deadline", Some("onDeadline")),
            ("onFailure", Some("on-failure")),
            ("startegy", Some("strategy")),
            ("soaks", Some("soak")),
            ("max-harm", Some("maxHarm")),
            ("colour", None),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(nearest(unknown, &known).map(String::as_str), near, "{unknown}");
        }
    }
}

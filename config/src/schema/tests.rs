//! What an API server takes by these rules the types can read; and what they write it takes.

use proptest::prelude::*;
use proptest::string::string_regex;
use regex::Regex;

use super::*;

/// Compares a pattern with what a type reads, from texts that match, and from texts that the type writes.
fn agree<T: FromStr<Err = Malformed> + std::fmt::Display>(pattern: &str, matching: &str, written: &str) {
    let whole = Regex::new(&format!("^{pattern}$")).unwrap();
    if whole.is_match(matching) && !matching.is_empty() {
        assert!(matching.parse::<T>().is_ok(), "{matching:?} matches, and cannot be read");
    }
    if let Ok(value) = written.parse::<T>() {
        let text = value.to_string();
        assert!(whole.is_match(&text), "{text:?} is written, and does not match");
    }
}

proptest! {
    #[test]
    fn spans_agree(matching in string_regex(SPAN).unwrap(), ms in 0..=31_622_400_000u64) {
        agree::<Span>(SPAN, &matching, &format!("{ms}ms"));
    }

    #[test]
    fn shares_agree(matching in string_regex(SHARE).unwrap(), ppm in 0..=1_000_000u32) {
        let written = Share::from_ppm(ppm).unwrap().to_string();
        agree::<Share>(SHARE, &matching, &written);
        let half = Regex::new(&format!("^{HALF}$")).unwrap();
        prop_assert_eq!(half.is_match(&written), ppm <= 500_000, "{}", written);
    }

    #[test]
    fn steps_agree(share in string_regex(SHARE).unwrap(), soak in "( 10m)?", approve in "( approve)?") {
        agree::<Step>(&format!("{SHARE}( {SPAN})?( approve)?"), &format!("{share}{soak}{approve}"), "25% 1h10m approve");
    }

    #[test]
    fn names_agree(matching in string_regex(LABEL).unwrap(), written in "[a-zA-Z0-9._-]{1,63}") {
        prop_assume!(matching.len() <= 63);
        agree::<Name>(LABEL, &matching, &written);
        agree::<Label>(LABEL, &matching, &written);
        agree::<LabelKey>(&format!("({DNS_LABEL}/)?{LABEL}"), &format!("a/{matching}"), &written);
    }
}

/// Every rule of a text is told in the words of its type.
#[test]
fn rules_tell_the_form() {
    let mut generator = SchemaGenerator::default();
    let schema = Span::json_schema(&mut generator);
    let told = schema.get(RULES).and_then(|rules| rules[0]["message"].as_str()).unwrap();
    assert!(told.starts_with("a duration such as 250ms"), "{told}");
}

//! PURE. Names that follow from what they are for: made again they are the same.

/// Sixteen hexadecimal digits that tell a text from any other.
pub(crate) fn digits(text: &str) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
    let first = digest.as_ref().first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes));
    format!("{first:016x}")
}

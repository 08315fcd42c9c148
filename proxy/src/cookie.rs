//! PURE. What a visitor's browser keeps for us: who it is, and what its rollout already knows of it. Both are signed, so
//! nobody can write evidence by hand.

use std::hash::Hasher;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use siphasher::sip::SipHasher24;
use tidegate_config::{Key, RolloutId};

/// The cookie that says who a visitor is.
pub const VISITOR: &str = "tidegate";
/// The cookie, as well as the header behind `x-`, by which a tester chooses a version.
pub const OVERRIDE: &str = "tidegate-version";
/// How long a browser keeps its identity: a returning visitor stays the same one for half a year, 180 days.
pub const VISITOR_MAX_AGE: &str = "; Max-Age=15552000";
/// How long a browser keeps the facts of a rollout: 14 days.
pub const FACTS_MAX_AGE: &str = "; Max-Age=1209600";

/// A visitor as its cookie says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// Random.
    pub id: u64,
    /// When the cookie was made, in seconds since the Unix epoch.
    pub minted: u32,
}

/// What is known of a visitor in one rollout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// The rollout they belong to.
    pub rollout: u64,
    /// The epoch in which the visitor was first seen.
    pub first_epoch: u64,
    /// When, in seconds since the Unix epoch.
    pub first_seen: u32,
    /// The arm the visitor was first seen on.
    pub first_arm: u8,
    /// The arms met so far, as bits.
    pub met: u16,
    /// Whether a failure of this visitor is counted.
    pub failed: bool,
    /// Whether a conversion of this visitor is counted.
    pub converted: bool,
}

const IDENTITY_BYTES: usize = 20;
const FACTS_BYTES: usize = 32;

/// The value of a facts cookie, not yet verified.
pub type SealedFacts = [u8; (FACTS_BYTES * 4).div_ceil(3)];

fn tag(key: &Key, purpose: u8, bound_to: u64, bytes: &[u8]) -> [u8; 8] {
    let mut hasher = SipHasher24::new_with_key(&key.0);
    hasher.write_u8(purpose);
    hasher.write_u64(bound_to);
    hasher.write(bytes);
    hasher.finish().to_le_bytes()
}

/// Decodes exactly `N` bytes whose last eight are the tag of the others.
fn open<const N: usize>(key: &Key, purpose: u8, bound_to: u64, text: &[u8]) -> Option<[u8; N]> {
    // One more than fits, because the decoder wants room for a whole last group.
    let mut bytes = [0u8; 48];
    if text.len() != base64::encoded_len(N, false)? {
        return None;
    }
    let length = URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).ok()?;
    let bytes: [u8; N] = bytes.get(..length)?.try_into().ok()?;
    let (value, signature) = bytes.split_at(N - 8);
    (tag(key, purpose, bound_to, value) == *signature).then_some(bytes)
}

/// Signs the first `N - 8` bytes in the last eight.
fn seal<const N: usize>(key: &Key, purpose: u8, bound_to: u64, mut bytes: [u8; N]) -> Value {
    let (value, signature) = bytes.split_at_mut(N - 8);
    signature.copy_from_slice(&tag(key, purpose, bound_to, value));
    let mut value = Value { bytes: [0; VALUE_BYTES_MAX], length: 0 };
    // The buffer holds the longest value there is.
    value.length = URL_SAFE_NO_PAD.encode_slice(bytes, &mut value.bytes).unwrap_or(0);
    value
}

/// The value of a cookie of ours.
#[derive(Debug, Clone, Copy)]
pub struct Value {
    bytes: [u8; VALUE_BYTES_MAX],
    length: usize,
}

/// The longest value: a facts cookie's, rounded up to whole groups.
const VALUE_BYTES_MAX: usize = FACTS_BYTES.div_ceil(3) * 4;

impl Value {
    /// Its text, in the alphabet of URL-safe base64.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

/// The `Set-Cookie` value for one of our cookies; one that was set under TLS comes back under TLS only.
pub fn set(name: &str, value: &Value, max_age: &str, secure: bool) -> Vec<u8> {
    let attributes: &[u8] =
        if secure { b"; Path=/; HttpOnly; SameSite=Lax; Secure" } else { b"; Path=/; HttpOnly; SameSite=Lax" };
    [name.as_bytes(), b"=", value.as_bytes(), max_age.as_bytes(), attributes].concat()
}

impl Identity {
    /// Reads the value of the visitor cookie; `None` where it is not ours.
    pub fn open(key: &Key, value: &[u8]) -> Option<Self> {
        let bytes = open::<IDENTITY_BYTES>(key, 1, 0, value)?;
        Some(Self { id: u64::from_le_bytes(part(&bytes, 0)), minted: u32::from_le_bytes(part(&bytes, 8)) })
    }

    /// The value of the visitor cookie.
    pub fn seal(&self, key: &Key) -> Value {
        let mut bytes = [0; IDENTITY_BYTES];
        bytes[..8].copy_from_slice(&self.id.to_le_bytes());
        bytes[8..12].copy_from_slice(&self.minted.to_le_bytes());
        seal(key, 1, 0, bytes)
    }
}

impl Facts {
    /// Reads the value of a facts cookie; `None` where it is not ours, another visitor's or of another rollout.
    pub fn open(key: &Key, visitor: u64, rollout: RolloutId, value: &[u8]) -> Option<Self> {
        let bytes = open::<FACTS_BYTES>(key, 2, visitor, value)?;
        let flags = bytes[19];
        let facts = Self {
            rollout: u64::from_le_bytes(part(&bytes, 0)),
            first_epoch: u64::from_le_bytes(part(&bytes, 8)),
            met: u16::from_le_bytes(part(&bytes, 16)),
            first_arm: bytes[18],
            failed: flags & 1 != 0,
            converted: flags & 2 != 0,
            first_seen: u32::from_le_bytes(part(&bytes, 20)),
        };
        (facts.rollout == rollout.number()).then_some(facts)
    }

    /// The value of the facts cookie of one visitor.
    pub fn seal(&self, key: &Key, visitor: u64) -> Value {
        let flags = u8::from(self.failed) | u8::from(self.converted) << 1;
        let mut bytes = [0; FACTS_BYTES];
        bytes[..8].copy_from_slice(&self.rollout.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.first_epoch.to_le_bytes());
        bytes[16..18].copy_from_slice(&self.met.to_le_bytes());
        bytes[18..20].copy_from_slice(&[self.first_arm, flags]);
        bytes[20..24].copy_from_slice(&self.first_seen.to_le_bytes());
        seal(key, 2, visitor, bytes)
    }
}

/// `N` bytes from `at`. The callers' offsets lie within their arrays; an offset that does not gives zeros.
fn part<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes.get(at..at + N).and_then(|part| part.try_into().ok()).unwrap_or([0; N])
}

/// The cookies of a request that concern us, still unverified.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Ours<'a> {
    /// The value of the visitor cookie.
    pub visitor: Option<&'a [u8]>,
    /// The value of the service's facts cookie.
    pub facts: Option<&'a [u8]>,
    /// The version a tester asks for.
    pub version: Option<&'a [u8]>,
}

impl<'a> Ours<'a> {
    /// Takes our cookies from the value of one `Cookie` field (RFC 6265 §4.2.1); the first of each name counts.
    pub fn read(&mut self, header: &'a [u8], facts_name: &str) {
        let mut rest = header;
        while !rest.is_empty() {
            let end = memchr::memchr(b';', rest).unwrap_or(rest.len());
            let pair = rest[..end].trim_ascii_start();
            rest = rest.get(end + 1..).unwrap_or_default();
            if !pair.starts_with(VISITOR.as_bytes()) {
                continue;
            }
            let Some(equals) = memchr::memchr(b'=', pair) else { continue };
            let (name, value) = (&pair[..equals], &pair[equals + 1..]);
            let slot = if name.len() == VISITOR.len() {
                &mut self.visitor
            } else if name == facts_name.as_bytes() {
                &mut self.facts
            } else if name == OVERRIDE.as_bytes() {
                &mut self.version
            } else {
                continue;
            };
            slot.get_or_insert(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEY: Key = Key([9; 16]);

    fn rollout() -> RolloutId {
        "00000000000000ff".parse().unwrap()
    }

    #[test]
    fn only_what_we_signed_is_believed() {
        let identity = Identity { id: 42, minted: 7 };
        let text = identity.seal(&KEY);
        assert_eq!(Identity::open(&KEY, text.as_bytes()), Some(identity));
        assert_eq!(Identity::open(&Key([8; 16]), text.as_bytes()), None);
        let mut forged = text.as_bytes().to_vec();
        forged[0] = if forged[0] == b'A' { b'B' } else { b'A' };
        assert_eq!(Identity::open(&KEY, &forged), None);
    }

    #[test]
    fn facts_belong_to_one_visitor_and_one_rollout() {
        let facts =
            Facts { rollout: 255, first_epoch: 3, first_seen: 9, first_arm: 1, met: 2, failed: true, converted: false };
        let text = facts.seal(&KEY, 42);
        assert_eq!(Facts::open(&KEY, 42, rollout(), text.as_bytes()), Some(facts));
        assert_eq!(Facts::open(&KEY, 43, rollout(), text.as_bytes()), None);
        assert_eq!(Facts::open(&KEY, 42, "00000000000000fe".parse().unwrap(), text.as_bytes()), None);
    }

    #[test]
    fn finds_our_cookies_among_others() {
        let header = b"a=b; xtidegate=no; tidegate=one; tidegate-version=v2; tidegate-0a=facts; tidegate=two";
        let mut ours = Ours::default();
        ours.read(header, "tidegate-0a");
        let expected = Ours { visitor: Some(b"one"), facts: Some(b"facts"), version: Some(b"v2") };
        assert_eq!(ours, expected);
    }

    proptest! {
        #[test]
        fn no_header_makes_it_panic(header in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut ours = Ours::default();
            ours.read(&header, "tidegate-0a");
            ours.read(&[b"tidegate=".as_slice(), &header].concat(), "tidegate-0a");
            let _ = Identity::open(&KEY, &header);
            let _ = Facts::open(&KEY, 1, rollout(), &header);
        }
    }
}

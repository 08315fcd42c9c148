//! PURE. The public keys that a cluster signs its tokens with (RFC 7517), and what they have signed.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey};
use serde::Deserialize;
use tidegate_config::limits;

/// Why a set of keys cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// It is no set of keys.
    #[error("not a set of keys: {0}; allowed: {{\"keys\": […]}} (RFC 7517 §5)")]
    Malformed(#[from] serde_json::Error),
    /// There are too many.
    #[error("{0} keys; allowed: at most {max}", max = limits::TOKEN_KEYS_MAX)]
    TooMany(usize),
}

/// The keys that can be used: RSA, and elliptic curves over P-256. Empty by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JwkSet(Vec<Jwk>);

impl JwkSet {
    /// Reads the answer of the API server's `/openid/v1/jwks`. Keys of other kinds, for other uses or without an id are left
    /// out.
    pub fn read(json: &[u8]) -> Result<Self, KeysError> {
        let Written { keys } = serde_json::from_slice(json)?;
        if keys.len() > limits::TOKEN_KEYS_MAX {
            return Err(KeysError::TooMany(keys.len()));
        }
        Ok(Self(keys.iter().filter_map(Jwk::of).collect()))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn find(&self, id: &str) -> Option<&Jwk> {
        self.0.iter().find(|key| key.id == id)
    }
}

/// One key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Jwk {
    id: String,
    material: Material,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Material {
    Rsa {
        modulus: Vec<u8>,
        exponent: Vec<u8>,
    },
    /// The point, uncompressed (SEC 1 §2.3.3).
    P256(Vec<u8>),
}

#[derive(Deserialize)]
struct Written {
    keys: Vec<WrittenKey>,
}

#[derive(Deserialize)]
struct WrittenKey {
    kty: Option<String>,
    kid: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl Jwk {
    fn of(written: &WrittenKey) -> Option<Self> {
        if written.usage.as_deref().is_some_and(|usage| usage != "sig") {
            return None;
        }
        let number = |text: &Option<String>| URL_SAFE_NO_PAD.decode(text.as_deref()?).ok();
        let material = match (written.kty.as_deref()?, written.crv.as_deref()) {
            ("RSA", _) => Material::Rsa { modulus: number(&written.n)?, exponent: number(&written.e)? },
            ("EC", Some("P-256")) => {
                let (x, y) = (number(&written.x)?, number(&written.y)?);
                (x.len() == 32 && y.len() == 32).then(|| Material::P256([&[4], &x[..], &y[..]].concat()))?
            }
            _ => return None,
        };
        Some(Self { id: written.kid.clone()?, material })
    }

    /// The only algorithm that this key signs tokens with.
    pub(super) const fn algorithm(&self) -> &'static str {
        match self.material {
            Material::Rsa { .. } => "RS256",
            Material::P256(_) => "ES256",
        }
    }

    /// Whether a signature of a message is by this key.
    pub(super) fn has_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.material {
            Material::Rsa { modulus, exponent } => RsaPublicKeyComponents { n: modulus, e: exponent }
                .verify(&RSA_PKCS1_2048_8192_SHA256, message, signature)
                .is_ok(),
            Material::P256(point) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message, signature).is_ok()
            }
        }
    }
}

//! Service-account tokens of Kubernetes, verified offline: a proxy that starts while the API server is away is known all
//! the same.
//!
//! A token is a JSON Web Token (RFC 7519) signed by the cluster with RS256 or ES256 (RFC 7518 §3), bound to a pod by the
//! claim `kubernetes.io`. What is not needed for that is not supported.

mod claims;
mod jwk;

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use tidegate_config::wire::AUDIENCE;
use tokio::sync::watch;

use super::identity::{Denied, Identity};
use super::{Authenticator, token::claims::Claims};

pub use jwk::{JwkSet, KeysError};

/// Why a token proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Its parts cannot be read.
    #[error("the token is malformed: its {0}; allowed: a service-account token of this cluster")]
    Malformed(&'static str),
    /// Its key is none of the cluster's.
    #[error("the token is signed by a key that is not known; allowed: the keys that the cluster publishes now")]
    UnknownKey,
    /// Its signature is not by its key.
    #[error("the token's signature is wrong")]
    Signature,
    /// Somebody else issued it.
    #[error("the token is from another issuer; allowed: {allowed}")]
    Issuer {
        /// The cluster's issuer.
        allowed: String,
    },
    /// It is made for somebody else.
    #[error("the token is for another audience; allowed: {AUDIENCE}")]
    Audience,
    /// Its time is over.
    #[error("the token has expired")]
    Expired,
    /// Its time has not come.
    #[error("the token is not valid yet")]
    NotYet,
    /// It does not say which pod it was made for.
    #[error("the token is bound to no pod; allowed: a projected token (volumes.projected.sources.serviceAccountToken)")]
    Unbound,
}

/// Knows proxies by their tokens.
#[derive(Debug, Clone)]
pub struct Tokens {
    issuer: String,
    keys: watch::Receiver<JwkSet>,
}

impl Tokens {
    /// Tokens of `issuer` (`issuer` of the API server's `/.well-known/openid-configuration`), signed by one of `keys` (of
    /// `/openid/v1/jwks`). While there are none, nobody is known, and told to try again.
    pub fn new(issuer: impl Into<String>, keys: watch::Receiver<JwkSet>) -> Self {
        Self { issuer: issuer.into(), keys }
    }
}

impl Authenticator for Tokens {
    async fn authenticate(&self, token: &str) -> Result<Identity, Denied> {
        let keys = self.keys.borrow();
        if keys.is_empty() {
            return Err(Denied::NotReady("the keys of the cluster's tokens are not known yet".into()));
        }
        verify(token, &keys, &self.issuer, unix_seconds()).map_err(|error| Denied::Unauthenticated(error.to_string()))
    }
}

/// Of whom a token is, at `now` in seconds since the Unix epoch.
fn verify(token: &str, keys: &JwkSet, issuer: &str, now: i64) -> Result<Identity, TokenError> {
    let (signed, signature) = token.rsplit_once('.').ok_or(TokenError::Malformed("form"))?;
    let (header, claims) = signed.split_once('.').ok_or(TokenError::Malformed("form"))?;
    let header: Header = part(header, "header")?;
    if header.crit.is_some() {
        // RFC 7515 §4.1.11: whoever does not know what is critical must refuse.
        return Err(TokenError::Malformed("header, with extensions that are not known"));
    }
    let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| TokenError::Malformed("signature"))?;
    let key = keys.find(&header.kid).ok_or(TokenError::UnknownKey)?;
    // The key says how it signs; a token that says otherwise is not from whoever owns the key.
    if key.algorithm() != header.alg {
        return Err(TokenError::Malformed("algorithm"));
    }
    if !key.has_signed(signed.as_bytes(), &signature) {
        return Err(TokenError::Signature);
    }
    // Nothing of the claims is looked at before.
    part::<Claims>(claims, "claims")?.identity(issuer, now)
}

/// The header of a token (RFC 7515 §4).
#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: String,
    crit: Option<serde_json::Value>,
}

fn part<T: for<'de> Deserialize<'de>>(text: &str, which: &'static str) -> Result<T, TokenError> {
    let json = URL_SAFE_NO_PAD.decode(text).map_err(|_| TokenError::Malformed(which))?;
    serde_json::from_slice(&json).map_err(|_| TokenError::Malformed(which))
}

#[expect(clippy::disallowed_methods, reason = "the edge that reads the wall clock: tokens have a time")]
fn unix_seconds() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;

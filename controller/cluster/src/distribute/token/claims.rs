//! PURE. What a token claims, and whether that is enough.

use serde::Deserialize;
use tidegate_config::limits;
use tidegate_config::wire::AUDIENCE;

use super::TokenError;
use crate::distribute::identity::Identity;

/// The claims that matter (RFC 7519 §4.1, and the one of Kubernetes).
#[derive(Deserialize)]
pub(super) struct Claims {
    iss: String,
    aud: Audience,
    exp: i64,
    nbf: Option<i64>,
    #[serde(rename = "kubernetes.io")]
    kubernetes: Option<Kubernetes>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

#[derive(Deserialize)]
struct Kubernetes {
    namespace: String,
    #[serde(rename = "serviceaccount")]
    service_account: Named,
    pod: Option<Bound>,
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

#[derive(Deserialize)]
struct Bound {
    name: String,
    uid: String,
}

impl Claims {
    /// Of whom they are, if they are of `issuer`, for us, and of now.
    pub(super) fn identity(self, issuer: &str, now: i64) -> Result<Identity, TokenError> {
        let Self { iss, aud, exp, nbf, kubernetes } = self;
        let skew = i64::from(limits::CLOCK_SKEW_SECONDS);
        if iss != issuer {
            return Err(TokenError::Issuer { allowed: issuer.to_owned() });
        }
        if !aud.has(AUDIENCE) {
            return Err(TokenError::Audience);
        }
        if now >= exp.saturating_add(skew) {
            return Err(TokenError::Expired);
        }
        if nbf.is_some_and(|nbf| now < nbf.saturating_sub(skew)) {
            return Err(TokenError::NotYet);
        }
        let Kubernetes { namespace, service_account, pod } = kubernetes.ok_or(TokenError::Unbound)?;
        let pod = pod.ok_or(TokenError::Unbound)?;
        Ok(Identity { namespace, service_account: service_account.name, pod_name: pod.name, pod_uid: pod.uid })
    }
}

impl Audience {
    fn has(&self, wanted: &str) -> bool {
        match self {
            Self::One(one) => one == wanted,
            Self::Several(several) => several.iter().any(|one| one == wanted),
        }
    }
}

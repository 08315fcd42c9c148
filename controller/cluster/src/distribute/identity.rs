//! Who a proxy is, and why somebody is not served.

use http::StatusCode;

/// The pod that a proxy runs in, as its token proves it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity {
    /// The namespace of the pod and of its service account.
    pub namespace: String,
    /// The service account.
    pub service_account: String,
    /// The pod.
    pub pod_name: String,
    /// The pod's `metadata.uid`: another one for another pod of the same name.
    pub pod_uid: String,
}

/// Why a request is not answered. The texts are sent to whoever asked, and hold nothing of the token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// It is not known who asks: 401.
    #[error("{0}")]
    Unauthenticated(String),
    /// This proxy may not have it: 403.
    #[error("{0}")]
    Forbidden(String),
    /// The controller does not know enough yet: 503.
    #[error("{0}")]
    NotReady(String),
}

impl Denied {
    pub(super) const fn status(&self) -> StatusCode {
        match self {
            Self::Unauthenticated(_) => StatusCode::UNAUTHORIZED,
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::NotReady(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    pub(super) const fn reason(&self) -> &'static str {
        match self {
            Self::Unauthenticated(_) => "unauthenticated",
            Self::Forbidden(_) => "forbidden",
            Self::NotReady(_) => "not-ready",
        }
    }
}

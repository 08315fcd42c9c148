//! PURE. Routing as every front end writes it down: listeners, and which requests go to which Kubernetes Services. No
//! pods, no shares and no proxy's configuration in it: those come after. The Gateway API is one front end
//! (`crate::gateway`); another one makes the same [`Plan`], and a new condition on requests is a new field of [`Route`].

mod hosts;
mod isolation;
mod precedence;

use std::fmt;

use tidegate_config::{Host, PathMatch};

pub use hosts::{covers, intersect};
pub use isolation::isolate;
pub use precedence::{Precedence, resolve};

use crate::world::Key;

/// What one set of proxies serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The Gateway, whose proxies these are.
    pub gateway: Key,
    /// Where clients are accepted; those alone that can serve.
    pub listeners: Vec<Listener>,
    /// The routes of these listeners: at most one for each listener, host and path.
    pub routes: Vec<Route>,
}

/// A place where clients are accepted. Several may share a port; a request belongs to the one whose host fits it best.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// Its name, which routes refer to.
    pub name: String,
    /// The port that clients use.
    pub port: u16,
    /// The port that the proxy opens: one above 1023, so that it needs no privilege.
    pub socket: u16,
    /// What is spoken there. Listeners of one port speak the same.
    pub protocol: Protocol,
    /// The hosts it is for; `None`: every host.
    pub host: Option<Host>,
    /// With TLS the certificates to choose from, by the client's server name; at least one. Otherwise none.
    pub certificates: Vec<Certificate>,
}

/// What is spoken at a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Protocol {
    /// HTTP/1.1 and HTTP/2 with prior knowledge.
    Http,
    /// The same behind TLS, which ends at the proxy.
    Https,
}

/// A certificate and its key, which belong together.
#[derive(Clone, PartialEq, Eq)]
pub struct Certificate {
    /// The Secret they are from.
    pub secret: Key,
    /// The certificate and what signed it, as PEM.
    pub chain: String,
    /// The private key, as PEM. Never shown in logs.
    pub key: String,
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificate({})", self.secret)
    }
}

/// Which requests go where. Of several that take a request the most specific host wins, then an exact path, then the
/// longest prefix, as `tidegate_config::Route` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The names of the listeners it is for.
    pub listeners: Vec<String>,
    /// The hosts it takes, never more than its listeners have; `None`: every host.
    pub host: Option<Host>,
    /// The paths it takes.
    pub path: PathMatch,
    /// Where it is from, and who wins among routes of one host and path.
    pub precedence: Precedence,
    /// Who answers.
    pub backends: Backends,
}

/// Who answers the requests of a route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Backends {
    /// One for all of them.
    One(Backend),
    /// Several, at least two, each for a part of them.
    Weighted(Vec<Weighted>),
}

/// A part of a route's requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Weighted {
    /// The part is this over the sum of all; never 0.
    pub weight: u32,
    /// Who answers it.
    pub backend: Backend,
}

/// Who answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Backend {
    /// A Service that is there. Without a ready pod the answer is 503.
    Service(ServicePort),
    /// Nobody: a status code and why.
    Failure(Failure),
}

/// A port of a Service.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServicePort {
    /// The Service's namespace.
    pub namespace: String,
    /// The Service's name.
    pub name: String,
    /// One of its ports.
    pub port: u16,
    /// Whether the route is of the same namespace. One that is not gets the Service's traffic, but never starts or
    /// steers a rollout of it.
    pub local: bool,
}

/// Why nobody answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Failure {
    /// No backend, or none with a weight.
    NoBackend,
    /// The Service, or its port, does not exist.
    NotFound,
    /// It refers to something that is no Service.
    InvalidKind,
    /// It is in another namespace, which does not permit it.
    NotPermitted,
    /// The backend speaks what the proxy does not.
    UnsupportedProtocol,
    /// The route asks for something that the proxy cannot do.
    UnsupportedValue,
    /// No route of the listener that the request belongs to takes it.
    NoRoute,
}

impl Failure {
    /// The status code of the answer (Gateway API, `HTTPRouteRule.backendRefs`): 500, or 404 where there is no route.
    pub fn status(self) -> u16 {
        match self {
            Self::NoRoute => 404,
            Self::NoBackend
            | Self::NotFound
            | Self::InvalidKind
            | Self::NotPermitted
            | Self::UnsupportedProtocol
            | Self::UnsupportedValue => 500,
        }
    }

    /// The reason for machines, as in the header of the answer.
    pub fn reason(self) -> &'static str {
        match self {
            Self::NoBackend => "no-backend",
            Self::NotFound => "backend-not-found",
            Self::InvalidKind => "invalid-backend-kind",
            Self::NotPermitted => "backend-not-permitted",
            Self::UnsupportedProtocol => "unsupported-backend-protocol",
            Self::UnsupportedValue => "unsupported-route",
            Self::NoRoute => "no-route",
        }
    }
}

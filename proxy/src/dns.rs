//! One question to the domain name system: which addresses has this name, and for how long.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hickory_resolver::config::{
    ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::ProtoError;
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::Name;
use hickory_resolver::{ResolverBuilder, TokioResolver};
use tidegate_config::limits;

/// What a name stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Its addresses, IPv4 and IPv6; at least one.
    pub addresses: BTreeSet<IpAddr>,
    /// For how long they hold: the smallest TTL on the way from the name to its addresses.
    pub ttl: Duration,
}

/// Why a name has no addresses.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// The system's `resolv.conf` cannot be read or names no server.
    #[error("cannot read the system's DNS configuration")]
    System(#[source] Box<NetError>),
    /// The name is not one that can be asked for.
    #[error("not a DNS name")]
    Name(#[source] ProtoError),
    /// There is no such name (NXDOMAIN).
    #[error("no such name")]
    NoSuchName,
    /// The name exists and has no address.
    #[error("the name has no address")]
    NoAddress,
    /// The server answered with an error, for example SERVFAIL.
    #[error("the DNS server answered: {0}")]
    Server(ResponseCode),
    /// No answer came in time.
    #[error("no answer from the DNS server in time")]
    Timeout,
    /// The question could not be asked or the answer not be read.
    #[error("the DNS query failed")]
    Failed(#[source] Box<NetError>),
}

/// Asks name servers. Keeps no answer: whoever asks knows when to ask again.
#[derive(Debug, Clone)]
pub struct Resolver(Arc<TokioResolver>);

impl Resolver {
    /// Asks as the system does: the servers and search domains of `resolv.conf`, and first the `hosts` file.
    pub fn from_system() -> Result<Self, ResolveError> {
        let system = |error| ResolveError::System(Box::new(error));
        Self::build(TokioResolver::builder_tokio().map_err(system)?).map_err(system)
    }

    /// Asks one server, by UDP and, for long answers, by TCP on the same port; without search domains or `hosts` file.
    pub fn with_server(server: SocketAddr) -> Result<Self, ResolveError> {
        let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
            connection.port = server.port();
            connection
        });
        let server = NameServerConfig::new(server.ip(), true, connections.into());
        let config = ResolverConfig::from_parts(None, Vec::new(), vec![server]);
        let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
        builder.options_mut().use_hosts_file = ResolveHosts::Never;
        Self::build(builder).map_err(|error| ResolveError::Failed(Box::new(error)))
    }

    fn build(mut builder: ResolverBuilder<TokioRuntimeProvider>) -> Result<Self, NetError> {
        let options: &mut ResolverOpts = builder.options_mut();
        // Both families for each search domain in turn, as `getaddrinfo` does; one that fails is left out.
        options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
        options.preserve_intermediates = true;
        options.cache_size = 0;
        // When to ask again is the caller's decision; datagrams that get lost are sent again all the same.
        options.attempts = 0;
        Ok(Self(Arc::new(builder.build()?)))
    }

    /// The addresses of a name.
    pub async fn lookup(&self, host: &str) -> Result<Answer, ResolveError> {
        let name = Name::from_ascii(host).map_err(ResolveError::Name)?;
        let limit = Duration::from_secs(limits::DNS_LOOKUP_TIMEOUT_SECONDS.into());
        let found = tokio::time::timeout(limit, self.0.lookup_ip(name)).await.map_err(|_| ResolveError::Timeout)??;
        let addresses: BTreeSet<IpAddr> = found.iter().collect();
        if addresses.is_empty() {
            return Err(ResolveError::NoAddress);
        }
        let ttl = found.as_lookup().answers().iter().map(|record| record.ttl).min().unwrap_or(0);
        Ok(Answer { addresses, ttl: Duration::from_secs(ttl.into()) })
    }
}

impl From<NetError> for ResolveError {
    fn from(error: NetError) -> Self {
        match error {
            NetError::Timeout => Self::Timeout,
            NetError::Dns(DnsError::ResponseCode(code)) => Self::Server(code),
            NetError::Dns(DnsError::NoRecordsFound(none)) if none.response_code == ResponseCode::NXDomain => {
                Self::NoSuchName
            }
            NetError::Dns(DnsError::NoRecordsFound(_)) => Self::NoAddress,
            other => Self::Failed(Box::new(other)),
        }
    }
}

#[cfg(test)]
pub(crate) mod server;
#[cfg(test)]
mod tests;

//! TLS at the addresses of listeners: which certificate a client gets, and how sessions go on.
//!
//! Everything here is made when a configuration is checked or comes into force; a new connection takes what its snapshot has.
//! Sessions are resumed by tickets (RFC 5077, RFC 8446 §2.2), whose key outlives configurations and is this process's own.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::hash::Hasher;
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, ring};
use rustls::server::{ClientHello, NoServerSessionStorage, ProducesTickets, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use siphasher::sip128::{Hasher128, SipHasher13};
use tidegate_config::{Certificate, Config, Host, Listener, Problems, Tls};

use crate::certificate::{CertificateError, Credential};
use crate::hosts::Hosts;

/// The TLS side of each address that has one.
#[derive(Default)]
pub(crate) struct TlsTable(BTreeMap<SocketAddr, Arc<ServerConfig>>);

impl TlsTable {
    /// What clients at the address of a listener are met with; `None` where it is plain HTTP.
    pub(crate) fn at(&self, address: SocketAddr) -> Option<&Arc<ServerConfig>> {
        self.0.get(&address)
    }
}

impl fmt::Debug for TlsTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// Reads certificates, and keeps what outlives a configuration.
pub(crate) struct Keyring {
    provider: Arc<CryptoProvider>,
    tickets: Option<Arc<dyn ProducesTickets>>,
    /// Of the last configuration, by a hash of certificate and key: most of the next one's are the same.
    known: HashMap<u128, Arc<Credential>>,
    hash_key: [u8; 16],
    last: Option<(Arc<Config>, Arc<TlsTable>)>,
}

impl Default for Keyring {
    fn default() -> Self {
        let provider = Arc::new(ring::default_provider());
        Self { provider, tickets: None, known: HashMap::new(), hash_key: rand::random(), last: None }
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keyring(…)")
    }
}

/// Checks the certificates of a configuration whose files have been read.
pub fn check_certificates(config: &Config) -> Result<(), Problems> {
    Keyring::default().read(config).map(drop)
}

impl Keyring {
    /// The TLS side of a configuration; all that is wrong with its certificates where it has none.
    pub(crate) fn table(&mut self, config: &Arc<Config>) -> Result<Arc<TlsTable>, Problems> {
        if let Some((known, table)) = &self.last
            && Arc::ptr_eq(known, config)
        {
            return Ok(Arc::clone(table));
        }
        let (table, known) = self.read(config)?;
        (self.known, self.last) = (known, Some((Arc::clone(config), Arc::clone(&table))));
        Ok(table)
    }

    #[expect(clippy::type_complexity, reason = "the two halves of what is kept")]
    fn read(&mut self, config: &Config) -> Result<(Arc<TlsTable>, HashMap<u128, Arc<Credential>>), Problems> {
        let (mut known, mut problems) = (HashMap::new(), Problems::default());
        let mut by_address = BTreeMap::<SocketAddr, Choice>::new();
        for (i, listener) in config.listeners.iter().enumerate() {
            let Listener { name, address, host, tls } = listener;
            let Some(Tls { certificates }) = tls else { continue };
            let mut mine = Certificates::default();
            for (j, certificate) in certificates.iter().enumerate() {
                let hash = self.hash(certificate);
                match self.credential(certificate, hash) {
                    Ok(credential) => {
                        mine.add(&credential);
                        known.insert(hash, credential);
                    }
                    Err(error) => {
                        let whose = name.as_ref().map_or_else(String::new, |name| format!("listener {name}: "));
                        let place = format!("listeners[{i}].tls.certificates[{j}]");
                        problems.add(place, format!("{whose}{error}"), "a certificate in PEM form and its private key");
                    }
                }
            }
            by_address.entry(*address).or_default().add(host.as_ref(), mine);
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let mut sides = BTreeMap::new();
        for (address, choice) in by_address {
            let side = self.side(choice).map_err(|error| {
                let mut problems = Problems::default();
                problems.add("listeners", format!("no TLS at {address}: {error}"), "a system with a source of chance");
                problems
            })?;
            sides.insert(address, Arc::new(side));
        }
        Ok((Arc::new(TlsTable(sides)), known))
    }

    fn credential(&self, certificate: &Certificate, hash: u128) -> Result<Arc<Credential>, CertificateError> {
        match self.known.get(&hash) {
            Some(known) => Ok(Arc::clone(known)),
            None => Credential::read(certificate, &self.provider).map(Arc::new),
        }
    }

    fn hash(&self, certificate: &Certificate) -> u128 {
        let mut hasher = SipHasher13::new_with_key(&self.hash_key);
        if let Certificate::Inline { certificate, key } = certificate {
            hasher.write_usize(certificate.len());
            hasher.write(certificate.as_bytes());
            hasher.write(key.0.as_bytes());
        }
        hasher.finish128().as_u128()
    }

    fn side(&mut self, choice: Choice) -> Result<ServerConfig, rustls::Error> {
        let tickets = match &self.tickets {
            Some(tickets) => Arc::clone(tickets),
            None => Arc::clone(self.tickets.insert(ring::Ticketer::new()?)),
        };
        let builder = ServerConfig::builder_with_provider(Arc::clone(&self.provider));
        let builder = builder.with_protocol_versions(&[&TLS13, &TLS12])?.with_no_client_auth();
        let mut side = builder.with_cert_resolver(Arc::new(choice));
        side.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        side.ticketer = tickets;
        side.session_storage = Arc::new(NoServerSessionStorage {});
        Ok(side)
    }
}

/// The certificates at one address: those of the listener whose host fits best whom a client asks for.
#[derive(Default)]
struct Choice {
    by_host: Hosts<Arc<Certificates>>,
    /// For clients who ask for nobody, or for nobody we know: those of the listener for every host, else of the first one.
    default: Option<Arc<Certificates>>,
}

impl Choice {
    fn add(&mut self, host: Option<&Host>, certificates: Certificates) {
        let certificates = Arc::new(certificates);
        if host.is_none() || self.default.is_none() {
            self.default = Some(Arc::clone(&certificates));
        }
        self.by_host.insert(host, certificates);
    }
}

impl fmt::Debug for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Choice(…)")
    }
}

impl ResolvesServerCert for Choice {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name().map(str::to_ascii_lowercase);
        let certificates = name.as_deref().and_then(|name| self.by_host.get(name)).or(self.default.as_ref())?;
        let is_fit = |key: &&Arc<CertifiedKey>| key.key.choose_scheme(hello.signature_schemes()).is_some();
        let named = name.as_deref().map(|name| certificates.named(name)).unwrap_or_default();
        let fallback = || certificates.first.as_ref();
        named.iter().find(is_fit).or_else(fallback).map(Arc::clone)
    }
}

/// The certificates of one listener.
#[derive(Default)]
struct Certificates {
    by_name: HashMap<Box<str>, Vec<Arc<CertifiedKey>>>,
    first: Option<Arc<CertifiedKey>>,
}

impl Certificates {
    fn add(&mut self, credential: &Credential) {
        let Credential { key, names } = credential;
        self.first.get_or_insert_with(|| Arc::clone(key));
        for name in names {
            self.by_name.entry(name.clone()).or_default().push(Arc::clone(key));
        }
    }

    /// Those with a name, else those with a wildcard in the place of its first label (RFC 6125 §6.4.3).
    fn named(&self, name: &str) -> &[Arc<CertifiedKey>] {
        let by_wildcard = || self.by_name.get(&*format!("*{}", &name[name.find('.')?..]));
        self.by_name.get(name).or_else(by_wildcard).map_or(&[], Vec::as_slice)
    }
}

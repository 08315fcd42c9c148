//! The certificate that the controller shows to proxies and to the API server.

use std::fmt;

use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::{Authority, BACKDATED_SECONDS, CaError, LEAF_SECONDS, Validity};

/// A certificate for a server, and its key.
pub struct Leaf {
    certificate: String,
    key: String,
    validity: Validity,
}

impl Leaf {
    /// A new one with a new key (ECDSA P-256) for a server of these DNS names and addresses, for 90 days from `now`, or as
    /// long as its authority is valid.
    pub fn issue(authority: &Authority, names: &[String], now: i64) -> Result<Self, CaError> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(names)?;
        let to = (now + LEAF_SECONDS).min(authority.validity.to);
        let validity = Validity { from: now - BACKDATED_SECONDS, to };
        validity.enter(&mut params)?;
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "tidegate controller");
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let certificate = params.signed_by(&key, &authority.issuer()?)?;
        Ok(Self { certificate: certificate.pem(), key: key.serialize_pem(), validity })
    }

    /// One that was kept: its certificate and key in PEM.
    pub fn read(certificate: &str, key: &str) -> Result<Self, CaError> {
        let validity = Validity::read("the leaf's certificate", certificate)?;
        Ok(Self { certificate: certificate.to_owned(), key: key.to_owned(), validity })
    }

    /// Its certificate in PEM.
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// Its key in PEM: to be kept secret.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// When it is valid.
    pub fn validity(&self) -> Validity {
        self.validity
    }

    /// Whether it is time for the next one: in the last third of its time, 30 days before its end.
    pub fn needs_renewal(&self, now: i64) -> bool {
        self.validity.is_in_last(3, now)
    }

    /// What a TLS server with this certificate needs. `protocols` are those of the application (ALPN, RFC 7301), the
    /// preferred one first: `h2`, `http/1.1`.
    pub fn server(&self, protocols: &[&str]) -> Result<ServerConfig, CaError> {
        let wrong =
            |error: rustls::pki_types::pem::Error| CaError::Read { place: "the leaf", wrong: error.to_string() };
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(self.certificate.as_bytes()).collect();
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes()).map_err(wrong)?;
        let provider = rustls::crypto::ring::default_provider().into();
        // Proxies are ours and the API server is newer than TLS 1.3.
        let builder =
            ServerConfig::builder_with_provider(provider).with_protocol_versions(&[&rustls::version::TLS13])?;
        let mut config = builder.with_no_client_auth().with_single_cert(chain.map_err(wrong)?, key)?;
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        Ok(config)
    }
}

impl fmt::Debug for Leaf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leaf").field("validity", &self.validity).finish_non_exhaustive()
    }
}

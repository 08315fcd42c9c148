//! The controller's own certificates: an authority that proxies and the API server trust, and the leaf that the controller
//! shows them.
//!
//! Nobody signs for us and nobody needs to be asked: the authority's key is made by the first controller and kept in a
//! Secret. A new authority is made long before the old one ends, is trusted beside it from then on, and signs only when
//! everybody has had the time to hear of it.

mod authorities;
mod leaf;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use time::OffsetDateTime;

pub use authorities::Authorities;
pub use leaf::Leaf;

const DAY: i64 = 86_400;
/// Of an authority: ten years. Its end is an event that nobody should wait for.
const AUTHORITY_SECONDS: i64 = 3_650 * DAY;
/// Of a leaf: 90 days.
const LEAF_SECONDS: i64 = 90 * DAY;
/// Certificates are valid from so long before they were made: clocks of other machines may be behind.
const BACKDATED_SECONDS: i64 = 3_600;

/// Why a certificate cannot be made or read.
#[derive(Debug, thiserror::Error)]
pub enum CaError {
    /// A key or certificate cannot be made.
    #[error("cannot make a certificate: {0}")]
    Make(#[from] rcgen::Error),
    /// An instant that no certificate can name.
    #[error("cannot make a certificate for {0} seconds after 1970; allowed: the years up to 9999")]
    Instant(i64),
    /// A text is no certificate.
    #[error("{place} is not a certificate in PEM: {wrong}")]
    Read {
        /// Which text.
        place: &'static str,
        /// What is wrong with it.
        wrong: String,
    },
    /// A leaf that TLS does not take.
    #[error("cannot use the certificate for TLS: {0}")]
    Tls(#[from] rustls::Error),
}

/// The seconds since the Unix epoch in which a certificate is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// The first.
    pub from: i64,
    /// The last.
    pub to: i64,
}

impl Validity {
    /// Whether less than one of `parts` equal parts of the time is left.
    fn is_in_last(self, parts: i64, now: i64) -> bool {
        self.to - now < (self.to - self.from) / parts
    }

    /// Whether the time is over.
    pub const fn is_over(self, now: i64) -> bool {
        now > self.to
    }

    fn read(place: &'static str, pem: &str) -> Result<Self, CaError> {
        let read = |error: String| CaError::Read { place, wrong: error };
        let (_, pem) = x509_parser::pem::parse_x509_pem(pem.as_bytes()).map_err(|error| read(error.to_string()))?;
        let validity = &pem.parse_x509().map_err(|error| read(error.to_string()))?.tbs_certificate.validity;
        Ok(Self { from: validity.not_before.timestamp(), to: validity.not_after.timestamp() })
    }

    fn enter(self, params: &mut CertificateParams) -> Result<(), CaError> {
        let instant = |at| OffsetDateTime::from_unix_timestamp(at).map_err(|_| CaError::Instant(at));
        (params.not_before, params.not_after) = (instant(self.from)?, instant(self.to)?);
        Ok(())
    }
}

/// A certificate that signs, and its key.
pub struct Authority {
    certificate: String,
    key: String,
    validity: Validity,
}

impl Authority {
    /// A new one with a new key (ECDSA P-256), for ten years from `now`, in seconds since the Unix epoch.
    pub fn create(now: i64) -> Result<Self, CaError> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::default();
        let validity = Validity { from: now - BACKDATED_SECONDS, to: now + AUTHORITY_SECONDS };
        validity.enter(&mut params)?;
        params.distinguished_name = rcgen::DistinguishedName::new();
        // Two authorities are trusted at once while one follows the other; their names tell them apart.
        params.distinguished_name.push(DnType::CommonName, format!("tidegate authority {now}"));
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        Ok(Self { certificate: params.self_signed(&key)?.pem(), key: key.serialize_pem(), validity })
    }

    /// One that was kept: its certificate and key in PEM.
    pub fn read(certificate: &str, key: &str) -> Result<Self, CaError> {
        let validity = Validity::read("the authority's certificate", certificate)?;
        let authority = Self { certificate: certificate.to_owned(), key: key.to_owned(), validity };
        authority.issuer()?;
        Ok(authority)
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

    /// Whether it is time for the next one: in the last tenth of its time, a year before its end.
    pub fn needs_renewal(&self, now: i64) -> bool {
        self.validity.is_in_last(10, now)
    }

    fn issuer(&self) -> Result<Issuer<'static, KeyPair>, CaError> {
        Ok(Issuer::from_ca_cert_pem(&self.certificate, KeyPair::from_pem(&self.key)?)?)
    }
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority").field("validity", &self.validity).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;

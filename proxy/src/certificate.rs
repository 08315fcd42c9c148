//! PURE. A certificate and its key: read, and found to belong together.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys};
use tidegate_config::Certificate;
use webpki::EndEntityCert;

/// A certificate that can be served.
pub(crate) struct Credential {
    /// With its key.
    pub(crate) key: Arc<CertifiedKey>,
    /// The DNS names in it, in lower case, perhaps with `*.` in front.
    pub(crate) names: Vec<Box<str>>,
}

/// Why a certificate cannot be served. No case holds a part of what was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CertificateError {
    /// A proxy is given what is in a file, not the file.
    #[error("the file of a certificate has not been read")]
    Unread,
    /// There is none in the text, or one that is broken off.
    #[error("no certificate in PEM form")]
    NoCertificate,
    /// The first one is not what RFC 5280 allows.
    #[error("not an X.509 certificate")]
    BadCertificate,
    /// There is none in the text, or it is broken off.
    #[error("no private key in PEM form (PKCS #8, PKCS #1 or SEC 1)")]
    NoKey,
    /// It is encrypted, broken or of a kind that we cannot sign with.
    #[error("the private key is not an unencrypted RSA, ECDSA (P-256, P-384) or Ed25519 key")]
    BadKey,
    /// They are of two pairs.
    #[error("the private key is not that of the certificate")]
    Mismatch,
}

impl Credential {
    /// Reads a certificate and its key.
    pub(crate) fn read(certificate: &Certificate, provider: &CryptoProvider) -> Result<Self, CertificateError> {
        let Certificate::Inline { certificate, key } = certificate else { return Err(CertificateError::Unread) };
        let chain = CertificateDer::pem_slice_iter(certificate.as_bytes()).collect::<Result<Vec<_>, _>>();
        let chain = chain.map_err(|_| CertificateError::NoCertificate)?;
        let first = chain.first().ok_or(CertificateError::NoCertificate)?;
        let parsed = EndEntityCert::try_from(first).map_err(|_| CertificateError::BadCertificate)?;
        let names = parsed.valid_dns_names().map(|name| name.to_ascii_lowercase().into()).collect();
        let key = PrivateKeyDer::from_pem_slice(key.0.as_bytes()).map_err(|_| CertificateError::NoKey)?;
        let key = CertifiedKey::from_der(chain, key, provider).map_err(|error| match error {
            Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => CertificateError::Mismatch,
            _ => CertificateError::BadKey,
        })?;
        Ok(Self { key: Arc::new(key), names })
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertifiedKey as Made, generate_simple_self_signed};
    use tidegate_config::PrivateKey;

    use super::*;

    fn made(names: &[&str]) -> (String, String) {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let Made { cert, signing_key } = generate_simple_self_signed(names).unwrap();
        (cert.pem(), signing_key.serialize_pem())
    }

    fn read(certificate: &str, key: &str) -> Result<Vec<Box<str>>, CertificateError> {
        let certificate = Certificate::Inline { certificate: certificate.into(), key: PrivateKey(key.into()) };
        Credential::read(&certificate, &rustls::crypto::ring::default_provider()).map(|credential| credential.names)
    }

    #[test]
    fn a_certificate_has_its_names_and_its_key() {
        let (certificate, key) = made(&["Shop.example", "*.shop.example", "192.0.2.1"]);
        let (other, other_key) = made(&["other.example"]);
        let names = ["shop.example", "*.shop.example"].map(Box::from).to_vec();
        assert_eq!(read(&certificate, &key), Ok(names.clone()));
        assert_eq!(read(&format!("{certificate}{other}"), &format!("text before\n{key}")), Ok(names));
        let encrypted = key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
        let broken = |text: &str| text.replacen("MI", "AA", 1);
        for (certificate, key, expected) in [
            (&*certificate, &*other_key, CertificateError::Mismatch),
            (&format!("{other}{certificate}"), &key, CertificateError::Mismatch),
            (&key, &key, CertificateError::NoCertificate),
            (&certificate[..certificate.len() / 2], &key, CertificateError::NoCertificate),
            (&broken(&certificate), &key, CertificateError::BadCertificate),
            (&certificate, &certificate, CertificateError::NoKey),
            (&certificate, &encrypted, CertificateError::NoKey),
            (&certificate, &key[..key.len() / 2], CertificateError::NoKey),
            (&certificate, &broken(&key), CertificateError::BadKey),
        ] {
            assert_eq!(read(certificate, key), Err(expected));
        }
    }
}

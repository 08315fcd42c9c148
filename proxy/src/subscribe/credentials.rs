//! The files by which proxy and controller know each other. They are read for every use: both are replaced while we run.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use http::HeaderValue;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use tidegate_config::limits;

use super::error::SubscribeError;

/// The trust in whoever one of a file's certificates has signed; TLS 1.3 and HTTP/2.
pub(super) fn trust(file: &Path) -> Result<Arc<ClientConfig>, SubscribeError> {
    let wrong = |wrong: String| SubscribeError::Credentials { file: file.to_owned(), wrong };
    let bundle = read(file)?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&bundle) {
        let certificate = certificate.map_err(|error| wrong(format!("not PEM: {error}")))?;
        roots.add(certificate).map_err(|error| wrong(format!("a certificate cannot be used: {error}")))?;
    }
    if roots.is_empty() {
        return Err(wrong("no certificate; allowed: one or more in PEM".into()));
    }
    let provider = rustls::crypto::ring::default_provider().into();
    let builder = ClientConfig::builder_with_provider(provider).with_protocol_versions(&[&rustls::version::TLS13]);
    let builder = builder.map_err(|error| wrong(error.to_string()))?;
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(Arc::new(config))
}

/// The header field that proves who we are.
pub(super) fn bearer(file: &Path) -> Result<HeaderValue, SubscribeError> {
    let wrong = |wrong: &str| SubscribeError::Credentials { file: file.to_owned(), wrong: wrong.to_owned() };
    let token = read(file)?;
    let token = str::from_utf8(&token).map(str::trim).unwrap_or_default();
    if token.is_empty() || token.contains(char::is_whitespace) {
        return Err(wrong("no token; allowed: one line of a service-account token"));
    }
    let mut value = HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| wrong("not a token"))?;
    value.set_sensitive(true);
    Ok(value)
}

fn read(file: &Path) -> Result<Vec<u8>, SubscribeError> {
    let wrong = |wrong: String| SubscribeError::Credentials { file: file.to_owned(), wrong };
    let mut bytes = Vec::new();
    let limit = limits::CREDENTIAL_BYTES_MAX as u64 + 1;
    let opened = File::open(file).and_then(|opened| opened.take(limit).read_to_end(&mut bytes));
    opened.map_err(|error| wrong(format!("cannot be read: {error}")))?;
    if bytes.len() > limits::CREDENTIAL_BYTES_MAX {
        return Err(wrong(format!("too long; allowed: {} bytes", limits::CREDENTIAL_BYTES_MAX)));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn a_token_is_one_line() {
        for (text, expected) in [
            ("abc\n", Some("Bearer abc")),
            ("  abc", Some("Bearer abc")),
            ("", None),
            ("\n", None),
            ("a b", None),
            ("a\nb", None),
            ("a\u{7f}", None),
        ] {
            let mut file = tempfile::NamedTempFile::new().unwrap();
            file.write_all(text.as_bytes()).unwrap();
            let value = bearer(file.path());
            assert_eq!(value.as_ref().ok().map(|value| value.to_str().unwrap()), expected, "{text:?}");
            assert!(value.map_or(true, |value| value.is_sensitive()));
        }
    }

    #[test]
    fn a_bundle_holds_certificates() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let told = |file: &Path| trust(file).unwrap_err().to_string();
        assert!(told(file.path()).contains("no certificate"));
        file.write_all(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
        assert!(told(file.path()).contains("cannot be used"));
        file.write_all(&vec![b'\n'; limits::CREDENTIAL_BYTES_MAX]).unwrap();
        assert!(told(file.path()).contains("too long"));
        assert!(told(Path::new("/nowhere/ca.crt")).starts_with("/nowhere/ca.crt: cannot be read: "));
    }
}

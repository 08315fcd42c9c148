//! What makes a listener speak HTTPS: its certificates, as files beside the configuration or in the text itself.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::limits;
use crate::problem::Problems;

/// The TLS side of a listener: TLS 1.2 and 1.3, HTTP/2 and HTTP/1.1 by ALPN (RFC 7301).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Tls {
    /// The certificates. A client gets the one whose names fit best what it asks for by SNI (RFC 6066 §3), the first one
    /// where none does. Of several that fit equally, the first whose kind of key the client takes.
    pub certificates: Vec<Certificate>,
}

/// A certificate with its private key, each in PEM form (RFC 7468).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub enum Certificate {
    /// As files. Where the configuration is a file, they are followed like it.
    Files {
        /// The certificate and those that lead from it to its issuer, in this order.
        certificate_file: PathBuf,
        /// Its private key.
        key_file: PathBuf,
    },
    /// In the text itself: what a controller publishes.
    Inline {
        /// The certificate and those that lead from it to its issuer, in this order.
        certificate: String,
        /// Its private key.
        key: PrivateKey,
    },
}

/// A private key in PEM form. Never shown in logs.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PrivateKey(pub String);

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateKey(…)")
    }
}

/// A certificate as it is written.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, expecting = "{certificateFile: PATH, keyFile: PATH}")]
struct Written {
    #[serde(skip_serializing_if = "Option::is_none")]
    certificate_file: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_file: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    certificate: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<PrivateKey>,
}

impl TryFrom<Written> for Certificate {
    type Error = &'static str;

    fn try_from(written: Written) -> Result<Self, &'static str> {
        let Written { certificate_file, key_file, certificate, key } = written;
        match (certificate_file, key_file, certificate, key) {
            (Some(certificate_file), Some(key_file), None, None) => Ok(Self::Files { certificate_file, key_file }),
            (None, None, Some(certificate), Some(key)) => Ok(Self::Inline { certificate, key }),
            _ => Err("neither two files nor two texts, expected certificateFile and keyFile, or certificate and key"),
        }
    }
}

impl From<Certificate> for Written {
    fn from(certificate: Certificate) -> Self {
        let mut written = Self { certificate_file: None, key_file: None, certificate: None, key: None };
        match certificate {
            Certificate::Files { certificate_file, key_file } => {
                (written.certificate_file, written.key_file) = (Some(certificate_file), Some(key_file));
            }
            Certificate::Inline { certificate, key } => {
                (written.certificate, written.key) = (Some(certificate), Some(key));
            }
        }
        written
    }
}

impl Tls {
    /// Refuses what cannot hold a certificate; whether it does, and whether the key is its, a proxy finds out.
    pub(crate) fn check(&self, path: &str, problems: &mut Problems) {
        let count = self.certificates.len();
        if !(1..=limits::CERTIFICATES_PER_LISTENER_MAX).contains(&count) {
            let allowed = format!("1 to {} certificates", limits::CERTIFICATES_PER_LISTENER_MAX);
            problems.add(format!("{path}.certificates"), format!("{count} certificates"), allowed);
        }
        for (i, certificate) in self.certificates.iter().enumerate() {
            if let Certificate::Inline { certificate, key } = certificate {
                check_texts(certificate, key, ["certificate", "key"], &format!("{path}.certificates[{i}]"), problems);
            }
        }
    }

    /// Replaces files by what is in them.
    pub(crate) fn load(&mut self, read: &ReadFile<'_>, path: &str, problems: &mut Problems) {
        for (i, certificate) in self.certificates.iter_mut().enumerate() {
            let Certificate::Files { certificate_file, key_file } = &*certificate else { continue };
            let place = format!("{path}.certificates[{i}]");
            let mut text = |field: &str, file: &Path| {
                read(file)
                    .map_err(|why| {
                        let wrong = format!("{}: {why}", file.display());
                        let allowed = format!("a readable file of at most {} bytes", limits::CERTIFICATE_BYTES_MAX);
                        problems.add(format!("{place}.{field}"), wrong, allowed);
                    })
                    .ok()
            };
            let texts = (text("certificateFile", certificate_file), text("keyFile", key_file));
            if let (Some(text), Some(key)) = texts {
                let key = PrivateKey(key);
                check_texts(&text, &key, ["certificateFile", "keyFile"], &place, problems);
                *certificate = Certificate::Inline { certificate: text, key };
            }
        }
    }

    /// Replaces private keys in the text by a word that says so.
    pub(crate) fn hide_keys(&mut self) {
        for certificate in &mut self.certificates {
            if let Certificate::Inline { key, .. } = certificate {
                *key = PrivateKey("(not shown)".to_owned());
            }
        }
    }
}

/// What reads a file of a certificate, or says why it cannot.
pub type ReadFile<'a> = dyn Fn(&Path) -> Result<String, String> + 'a;

/// Tells texts that were confused, without a word of what is in them.
fn check_texts(certificate: &str, key: &PrivateKey, fields: [&str; 2], place: &str, problems: &mut Problems) {
    let texts = [(certificate, "-----BEGIN CERTIFICATE-----"), (&key.0, "PRIVATE KEY-----")];
    for ((text, mark), field) in texts.into_iter().zip(fields) {
        let place = format!("{place}.{field}");
        if text.len() > limits::CERTIFICATE_BYTES_MAX {
            let allowed = format!("at most {} bytes", limits::CERTIFICATE_BYTES_MAX);
            problems.add(place, format!("{} bytes long", text.len()), allowed);
        } else if !text.contains(mark) {
            let what = if field.starts_with("key") { "private key" } else { "certificate" };
            problems.add(place, format!("no {what} in it"), format!("PEM text with a line that has {mark}"));
        }
    }
}

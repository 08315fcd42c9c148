//! PURE. Certificates out of Secrets, checked here so that a proxy is never told of one that it could not use.

use gateway_api::gateways::GatewayListenersTlsCertificateRefs;
use k8s_openapi::api::core::v1::Secret;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use super::grants::{End, GROUP, permitted};
use super::installation::Installation;
use crate::routing::Certificate;
use crate::world::{Key, World};

/// Why a certificate cannot be had.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unusable {
    /// The reference itself, or what it leads to.
    #[error("{0}")]
    Invalid(String),
    /// It is another namespace's, which does not permit it.
    #[error("Secret {0} is in another namespace; allowed: with a ReferenceGrant there from Gateways of this namespace")]
    NotPermitted(Key),
    /// This installation may not read it.
    #[error(
        "Secret {0} is in a namespace whose Secrets this controller may not read; allowed: [{1}], as secretNamespaces of \
         its installation says"
    )]
    Unreadable(Key, String),
}

/// The certificate that a listener of a Gateway in `namespace` refers to.
pub(super) fn find(
    world: &World,
    installation: &Installation,
    namespace: &str,
    reference: &GatewayListenersTlsCertificateRefs,
) -> Result<Certificate, Unusable> {
    let GatewayListenersTlsCertificateRefs { group, kind, name, namespace: foreign } = reference;
    let group = group.as_deref().unwrap_or_default();
    let kind = kind.as_deref().unwrap_or("Secret");
    if !group.is_empty() || kind != "Secret" {
        let wrong =
            format!("{kind} \"{name}\" of group \"{group}\" holds no certificate; allowed: kind Secret, group \"\"");
        return Err(Unusable::Invalid(wrong));
    }
    let key = Key::new(foreign.as_deref().unwrap_or(namespace), name);
    let to = End { group, kind, namespace: &key.namespace };
    if !permitted(world, End { group: GROUP, kind: "Gateway", namespace }, to, name) {
        return Err(Unusable::NotPermitted(key));
    }
    let readable = &installation.secret_namespaces;
    if !readable.contains(&key.namespace) {
        return Err(Unusable::Unreadable(key, readable.iter().cloned().collect::<Vec<_>>().join(", ")));
    }
    let invalid = |wrong: &str| Unusable::Invalid(format!("Secret {key} {wrong}"));
    let secret = world.secrets.get(&key).ok_or_else(|| invalid("does not exist"))?;
    check(secret).map_err(|wrong| invalid(&wrong)).map(|(chain, private)| Certificate {
        secret: key.clone(),
        chain,
        key: private,
    })
}

/// Chain and key, if they are what they should be and belong together.
fn check(secret: &Secret) -> Result<(String, String), String> {
    let kind = secret.type_.as_deref().unwrap_or("Opaque");
    if kind != "kubernetes.io/tls" {
        return Err(format!("is of type {kind}; allowed: kubernetes.io/tls"));
    }
    let pem = |field: &str| {
        let bytes = secret.data.as_ref().and_then(|data| data.get(field));
        let text = bytes.map(|bytes| String::from_utf8(bytes.0.clone()));
        text.and_then(Result::ok).ok_or_else(|| format!("has no {field} that is text; allowed: PEM"))
    };
    let (chain, key) = (pem("tls.crt")?, pem("tls.key")?);
    let certificates: Result<Vec<CertificateDer<'static>>, _> =
        CertificateDer::pem_slice_iter(chain.as_bytes()).collect();
    let certificates = certificates.map_err(|error| format!("has a broken tls.crt: {error}; allowed: PEM"))?;
    if certificates.is_empty() {
        return Err("has no certificate in tls.crt; allowed: PEM, the server's own first".to_owned());
    }
    let private = PrivateKeyDer::from_pem_slice(key.as_bytes())
        .map_err(|error| format!("has no private key in tls.key: {error}; allowed: PEM"))?;
    let signer = ring::sign::any_supported_type(&private)
        .map_err(|error| format!("has a tls.key of no use: {error}; allowed: RSA, ECDSA or Ed25519"))?;
    CertifiedKey::new(certificates, signer)
        .keys_match()
        .map_err(|error| format!("has a tls.crt and a tls.key that do not belong together: {error}"))?;
    Ok((chain, key))
}

//! Keeps the authorities in a Secret of the controller's namespace: the first replica makes them, all sign with the same.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, Client};

use crate::ca::{Authorities, Authority, CaError};

/// The name of the Secret.
pub const SECRET: &str = "tidegate-ca";

/// Why the authorities cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// The API server does not give them, or take them.
    #[error("cannot read or write Secret {SECRET}: {0}")]
    Api(#[from] kube::Error),
    /// What is in the Secret is no authority, or none can be made.
    #[error("Secret {SECRET}: {0}")]
    Certificate(#[from] CaError),
}

/// Reads the authorities, or makes them; where it is time, adds the next one. `now` is in seconds since the Unix epoch.
pub async fn authorities(client: &Client, namespace: &str, now: i64) -> Result<Authorities, AuthorityError> {
    let secrets: Api<Secret> = Api::namespaced(client.clone(), namespace);
    loop {
        let known = secrets.get_opt(SECRET).await?;
        let authorities = match &known {
            Some(secret) => read(secret)?,
            None => None,
        };
        let (secret, authorities) = match (known, authorities) {
            (Some(_), Some(authorities)) if !authorities.need_renewal(now) => return Ok(authorities),
            (Some(secret), Some(authorities)) => (Some(secret), authorities.renewed(now)?),
            (secret, _) => (secret, Authorities::create(now)?),
        };
        match write(&secrets, secret, &authorities).await {
            Ok(()) => return Ok(authorities),
            // Another replica was first: what it has written counts.
            Err(kube::Error::Api(status)) if status.code == 409 => {}
            Err(error) => return Err(error.into()),
        }
    }
}

async fn write(secrets: &Api<Secret>, known: Option<Secret>, authorities: &Authorities) -> Result<(), kube::Error> {
    let data = authorities.all().enumerate().flat_map(|(number, authority)| {
        let field = |kind: &str, text: &str| (format!("{number}.{kind}"), ByteString(text.as_bytes().to_vec()));
        [field("crt", authority.certificate()), field("key", authority.key())]
    });
    let data: BTreeMap<String, ByteString> = data.collect();
    if let Some(secret) = known {
        // It names the version it was read in.
        let secret = Secret { data: Some(data), ..secret };
        return secrets.replace(SECRET, &PostParams::default(), &secret).await.map(drop);
    }
    let metadata = ObjectMeta { name: Some(SECRET.to_owned()), ..ObjectMeta::default() };
    let secret = Secret { metadata, data: Some(data), ..Secret::default() };
    secrets.create(&PostParams::default(), &secret).await.map(drop)
}

fn read(secret: &Secret) -> Result<Option<Authorities>, CaError> {
    let data = secret.data.iter().flatten();
    let text = |bytes: &ByteString| String::from_utf8_lossy(&bytes.0).into_owned();
    let texts: BTreeMap<&str, String> = data.map(|(field, bytes)| (field.as_str(), text(bytes))).collect();
    let mut authorities = Vec::new();
    for (field, certificate) in &texts {
        if let Some(number) = field.strip_suffix(".crt")
            && let Some(key) = texts.get(format!("{number}.key").as_str())
        {
            authorities.push(Authority::read(certificate, key)?);
        }
    }
    Ok(Authorities::of(authorities))
}

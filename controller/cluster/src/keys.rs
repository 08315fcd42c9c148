//! The secrets of an installation, kept in a Secret of the controller's namespace: whoever of the replicas is first makes
//! them, and all use the same. They outlive restarts, or every visitor would be drawn anew.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, Client};
use tidegate_config::Key;
use tidegate_controller::publish::Keys;

/// The name of the Secret.
pub const SECRET: &str = "tidegate-keys";

const COOKIE: &str = "cookie";
const MASTER: &str = "master";

/// Why the secrets cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The API server does not give them, or take them.
    #[error("cannot read or make Secret {SECRET}: {0}")]
    Api(#[from] kube::Error),
    /// The Secret is not as we made it. It is not replaced: that would draw every visitor anew.
    #[error(
        "data.{field} of Secret {SECRET} has {found} bytes, expected 16; restore it from a backup, or delete the Secret to draw all visitors anew"
    )]
    Damaged {
        /// The field.
        field: &'static str,
        /// Its length.
        found: usize,
    },
    /// The machine has no random numbers.
    #[error("no random numbers: {0}")]
    Random(#[from] getrandom::Error),
}

/// Reads the secrets, or makes them.
pub async fn keys(client: &Client, namespace: &str) -> Result<Keys, KeysError> {
    let secrets: Api<Secret> = Api::namespaced(client.clone(), namespace);
    if let Some(secret) = secrets.get_opt(SECRET).await? {
        return read(&secret);
    }
    let mut made = BTreeMap::new();
    for field in [COOKIE, MASTER] {
        let mut key = [0; 16];
        getrandom::fill(&mut key)?;
        made.insert(field.to_owned(), ByteString(key.to_vec()));
    }
    let metadata = ObjectMeta { name: Some(SECRET.to_owned()), ..ObjectMeta::default() };
    let secret = Secret { metadata, data: Some(made), ..Secret::default() };
    match secrets.create(&PostParams::default(), &secret).await {
        Ok(secret) => read(&secret),
        // Another replica was first.
        Err(kube::Error::Api(status)) if status.code == 409 => read(&secrets.get(SECRET).await?),
        Err(error) => Err(error.into()),
    }
}

fn read(secret: &Secret) -> Result<Keys, KeysError> {
    let key = |field: &'static str| {
        let bytes = secret.data.as_ref().and_then(|data| data.get(field)).map_or(&[][..], |bytes| &bytes.0);
        bytes.try_into().map(Key).map_err(|_| KeysError::Damaged { field, found: bytes.len() })
    };
    Ok(Keys { cookie: key(COOKIE)?, master: key(MASTER)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_secret_is_not_taken_for_a_new_one() {
        let data = |cookie: usize| {
            let field = |name: &str, length| (name.to_owned(), ByteString(vec![7; length]));
            Some(BTreeMap::from([field(COOKIE, cookie), field(MASTER, 16)]))
        };
        let secret = |cookie| Secret { data: data(cookie), ..Secret::default() };
        assert_eq!(read(&secret(16)).unwrap().cookie, Key([7; 16]));
        let error = read(&secret(15)).unwrap_err().to_string();
        assert!(error.contains("data.cookie") && error.contains("15 bytes"), "{error}");
    }
}

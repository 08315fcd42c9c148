//! Who signs the tokens of this cluster's pods: read from the API server now and then, so that tokens are checked without
//! asking it each time, and also while it is away.

use std::time::Duration;

use kube::Client;
use serde::Deserialize;
use tokio::sync::watch;
use tokio::time::sleep;

use crate::distribute::JwkSet;

/// How often keys are read: an issuer shows a new key long before it signs with it.
const EVERY: Duration = Duration::from_mins(5);
/// How soon again after a failure.
const AGAIN: Duration = Duration::from_secs(2);

/// Why the issuer cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum IssuerError {
    /// The API server does not say.
    #[error("cannot read {path} of the API server: {source}")]
    Api {
        /// What was asked for.
        path: &'static str,
        /// Why not.
        source: kube::Error,
    },
    /// What it says is not understood.
    #[error("{path} of the API server: {wrong}")]
    Malformed {
        /// What was asked for.
        path: &'static str,
        /// What is wrong.
        wrong: String,
    },
}

const DISCOVERY: &str = "/.well-known/openid-configuration";
const KEYS: &str = "/openid/v1/jwks";

/// The part of the discovery document that is read (`OpenID` Connect Discovery 1.0 §3).
#[derive(Deserialize)]
struct Discovery {
    issuer: String,
}

/// The issuer's name.
pub async fn issuer(client: &Client) -> Result<String, IssuerError> {
    let text = get(client, DISCOVERY).await?;
    let wrong = |error: serde_json::Error| IssuerError::Malformed { path: DISCOVERY, wrong: error.to_string() };
    serde_json::from_str::<Discovery>(&text).map(|discovery| discovery.issuer).map_err(wrong)
}

/// Keeps the issuer's keys at their newest, for ever. Those known stay in force while they cannot be read.
pub async fn follow_keys(client: Client, keys: watch::Sender<JwkSet>, troubles: watch::Sender<Option<String>>) {
    loop {
        let read = match get(&client, KEYS).await {
            Ok(text) => JwkSet::read(text.as_bytes()).map_err(|error| error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        let after = match read {
            Ok(read) => {
                keys.send_replace(read);
                troubles.send_replace(None);
                EVERY
            }
            Err(trouble) => {
                troubles.send_replace(Some(trouble));
                AGAIN
            }
        };
        sleep(after).await;
    }
}

async fn get(client: &Client, path: &'static str) -> Result<String, IssuerError> {
    let request = http::Request::get(path).body(Vec::new());
    let request = request.map_err(|error| IssuerError::Malformed { path, wrong: error.to_string() })?;
    client.request_text(request).await.map_err(|source| IssuerError::Api { path, source })
}

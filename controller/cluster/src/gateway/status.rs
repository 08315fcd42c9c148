//! PURE. The statuses that follow from what was compiled, as objects to be patched. Each function says `None` where the
//! object already has the status that it should have, so that nobody writes in circles.

mod class;
mod gateway;
mod http_route;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Serialize;
use serde_json::{Value, json};

pub use class::class;
pub use gateway::{Deployed, gateway};
pub use http_route::http_route;

use crate::world::Key;

/// A status to be written to the `status` subresource of an object.
#[derive(Debug, Clone, PartialEq)]
pub struct Patch<S> {
    /// The object.
    pub key: Key,
    /// Its uid: another object of the same name is not meant.
    pub uid: Option<String>,
    /// The version that the status was made for: where it has changed since, the write must fail.
    pub resource_version: Option<String>,
    /// The whole status.
    pub status: S,
}

impl<S: Serialize> Patch<S> {
    /// The body of a JSON merge patch (RFC 7386), which replaces lists as a whole.
    pub fn body(&self) -> Value {
        let Self { key: _, uid, resource_version, status } = self;
        let mut metadata = serde_json::Map::new();
        for (name, value) in [("uid", uid), ("resourceVersion", resource_version)] {
            if let Some(value) = value {
                metadata.insert(name.to_owned(), value.clone().into());
            }
        }
        json!({ "metadata": metadata, "status": status })
    }
}

/// The patch, if it changes anything.
fn patch<S: PartialEq>(metadata: &ObjectMeta, before: Option<&S>, status: S) -> Option<Patch<S>> {
    let ObjectMeta { name, namespace, uid, resource_version, .. } = metadata;
    let key = Key::new(namespace.clone().unwrap_or_default(), name.clone().unwrap_or_default());
    let (uid, resource_version) = (uid.clone(), resource_version.clone());
    (before != Some(&status)).then_some(Patch { key, uid, resource_version, status })
}

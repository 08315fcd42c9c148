//! What injection must know of a Service.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use tidegate_config::Problem;

use crate::pod;

/// A Service: whom it selects and what it aims at.
#[derive(Debug, Clone, PartialEq)]
pub struct Service {
    /// What messages call it: `Service shop`.
    pub(crate) title: String,
    /// The labels that it selects; without any it selects nothing.
    selector: Selector,
    pub(crate) headless: bool,
    pub(crate) ports: Vec<ServicePort>,
    /// Whether its pods are to have the sidecar, where neither they nor their namespace say anything.
    pub(crate) asks: bool,
}

#[derive(Debug, Clone, PartialEq)]
enum Selector {
    All,
    Labels(BTreeMap<String, String>),
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ServicePort {
    #[serde(default)]
    pub(crate) name: Option<String>,
    #[serde(default)]
    pub(crate) protocol: Option<String>,
    #[serde(default)]
    pub(crate) app_protocol: Option<String>,
    /// The API server's default of the field after it.
    pub(crate) port: u16,
    /// A number, or the name of a port of the pods.
    #[serde(default)]
    pub(crate) target_port: Option<Value>,
}

#[derive(Deserialize)]
struct Manifest {
    metadata: Metadata,
    spec: Spec,
}

#[derive(Deserialize)]
struct Metadata {
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    #[serde(default, rename = "clusterIP")]
    cluster_ip: Option<String>,
    #[serde(default, rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    selector: Option<BTreeMap<String, String>>,
    #[serde(default)]
    ports: Option<Vec<ServicePort>>,
}

impl Service {
    /// Reads a manifest of a Service, of which the fields that matter must have their types.
    pub fn read(manifest: &Value) -> Result<Self, Problem> {
        let Manifest { metadata: Metadata { name }, spec } = pod::read(manifest, "")?;
        let Spec { cluster_ip, kind, selector, ports } = spec;
        // Such a name is an alias of another host; its selector means nothing.
        let external = kind.as_deref() == Some("ExternalName");
        Ok(Self {
            title: format!("Service {name}"),
            selector: Selector::Labels(selector.filter(|_| !external).unwrap_or_default()),
            headless: cluster_ip.as_deref() == Some("None"),
            ports: ports.unwrap_or_default(),
            asks: false,
        })
    }

    /// The same, and it asks for the sidecar in its pods.
    #[must_use]
    pub fn asking(self) -> Self {
        Self { asks: true, ..self }
    }

    /// A Service that selects every pod and aims at ports by their names: for those who have no manifest of it.
    pub fn of_ports<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        let port = |name: &str| ServicePort {
            name: None,
            protocol: None,
            app_protocol: None,
            port: 80,
            target_port: Some(name.into()),
        };
        let ports = names.into_iter().map(port).collect();
        Self { title: "--service-port".to_owned(), selector: Selector::All, headless: false, ports, asks: false }
    }

    /// Whether pods with these labels are its own.
    pub fn selects(&self, labels: &BTreeMap<String, String>) -> bool {
        match &self.selector {
            Selector::All => true,
            Selector::Labels(wanted) => {
                !wanted.is_empty() && wanted.iter().all(|(name, value)| labels.get(name) == Some(value))
            }
        }
    }
}

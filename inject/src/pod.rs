//! The fields of a pod that injection reads or changes. All others are kept as they are.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tidegate_config::Problem;

/// A pod, or the template of one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Pod {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) metadata: Option<Metadata>,
    pub(crate) spec: Spec,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Metadata {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) labels: Option<BTreeMap<String, String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) annotations: Option<BTreeMap<String, String>>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Spec {
    pub(crate) containers: Vec<Container>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) init_containers: Option<Vec<Container>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) volumes: Option<Vec<Value>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) host_network: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) node_selector: Option<BTreeMap<String, String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) os: Option<Os>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Os {
    pub(crate) name: String,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Container {
    pub(crate) name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) restart_policy: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ports: Option<Vec<Port>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    startup_probe: Option<Action>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    liveness_probe: Option<Action>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    readiness_probe: Option<Action>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lifecycle: Option<Lifecycle>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Port {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    #[serde(rename = "containerPort")]
    pub(crate) number: u16,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) protocol: Option<String>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Lifecycle {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    post_start: Option<Action>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pre_stop: Option<Action>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

/// A probe or the handler of a hook: what the kubelet does to a container.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Action {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    http_get: Option<Call>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tcp_socket: Option<Call>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    grpc: Option<Call>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

/// A connection to a port, which is a number or a name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Call {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) port: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) scheme: Option<String>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

/// Reads a manifest's part; a value of a wrong type is a problem at its path below `place`.
pub(crate) fn read<T: for<'de> Deserialize<'de>>(value: &Value, place: &str) -> Result<T, Problem> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        let parts = [place, path.trim_matches('.')].into_iter().filter(|part| !part.is_empty());
        let path = parts.collect::<Vec<_>>().join(".");
        Problem::of_message(&path, &error.inner().to_string())
    })
}

impl Pod {
    /// The value of a label.
    pub(crate) fn label(&self, name: &str) -> Option<&str> {
        self.metadata.as_ref()?.labels.as_ref()?.get(name).map(String::as_str)
    }

    /// The value of an annotation.
    pub(crate) fn annotation(&self, name: &str) -> Option<&str> {
        self.metadata.as_ref()?.annotations.as_ref()?.get(name).map(String::as_str)
    }

    /// Sets an annotation.
    pub(crate) fn annotate(&mut self, name: &str, value: impl Into<String>) {
        let metadata = self.metadata.get_or_insert_default();
        metadata.annotations.get_or_insert_default().insert(name.to_owned(), value.into());
    }
}

impl Spec {
    /// Every container with its path, in the order in which Kubernetes looks names of ports up: the ordinary ones first.
    pub(crate) fn containers(&self) -> impl Iterator<Item = (String, &Container)> {
        let ordinary = self.containers.iter().enumerate().map(|(i, c)| (format!("spec.containers[{i}]"), c));
        let init = self.init_containers.iter().flatten().enumerate();
        ordinary.chain(init.map(|(i, c)| (format!("spec.initContainers[{i}]"), c)))
    }

    /// The same, to be changed.
    pub(crate) fn containers_mut(&mut self) -> impl Iterator<Item = &mut Container> {
        self.containers.iter_mut().chain(self.init_containers.iter_mut().flatten())
    }

    /// The port that a Service finds under a name, by the rule of Kubernetes: TCP, ordinary containers before sidecars.
    pub(crate) fn find(&self, name: &str) -> Option<(&Container, u16)> {
        let sidecars = self.init_containers.iter().flatten().filter(|c| c.is_sidecar());
        let mut found = self.containers.iter().chain(sidecars).flat_map(|c| c.tcp().map(move |port| (c, port)));
        found.find(|(_, port)| port.name.as_deref() == Some(name)).map(|(c, port)| (c, port.number))
    }
}

impl Container {
    fn is_sidecar(&self) -> bool {
        self.restart_policy.as_deref() == Some("Always")
    }

    /// Its ports.
    pub(crate) fn ports(&self) -> impl Iterator<Item = &Port> {
        self.ports.iter().flatten()
    }

    fn tcp(&self) -> impl Iterator<Item = &Port> {
        self.ports().filter(|port| port.is_tcp())
    }

    /// What the kubelet connects to.
    pub(crate) fn calls(&self) -> impl Iterator<Item = &Call> {
        let probes = [&self.startup_probe, &self.liveness_probe, &self.readiness_probe].into_iter().flatten();
        let hooks = self.lifecycle.iter().flat_map(|hooks| [&hooks.post_start, &hooks.pre_stop].into_iter().flatten());
        probes.chain(hooks).flat_map(|action| [&action.http_get, &action.tcp_socket, &action.grpc]).flatten()
    }

    fn calls_mut(&mut self) -> impl Iterator<Item = &mut Call> {
        let probes = [&mut self.startup_probe, &mut self.liveness_probe, &mut self.readiness_probe];
        let hooks = self.lifecycle.iter_mut().flat_map(|hooks| [&mut hooks.post_start, &mut hooks.pre_stop]);
        let actions = probes.into_iter().chain(hooks).flatten();
        actions.flat_map(|action| [&mut action.http_get, &mut action.tcp_socket, &mut action.grpc]).flatten()
    }

    /// Gives its port `name` another name. Probes and hooks find a name in their own container only, so those that use
    /// it get the number: they go on to ask the application itself.
    pub(crate) fn rename_port(&mut self, name: &str, to: &str) {
        let mut number = None;
        for port in self.ports.iter_mut().flatten().filter(|port| port.name.as_deref() == Some(name)) {
            port.name = Some(to.to_owned());
            number = number.or(Some(port.number));
        }
        let Some(number) = number else { return };
        for call in self.calls_mut().filter(|call| call.port.as_ref().and_then(Value::as_str) == Some(name)) {
            call.port = Some(number.into());
        }
    }
}

impl Port {
    /// Whether it is a TCP port, which it is unless it says otherwise.
    pub(crate) fn is_tcp(&self) -> bool {
        self.protocol.as_deref().is_none_or(|protocol| protocol == "TCP")
    }
}

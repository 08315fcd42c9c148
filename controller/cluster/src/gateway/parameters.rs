//! PURE. How a Gateway's proxies are deployed: what `spec.infrastructure.parametersRef` may say, in a config map of the
//! Gateway's namespace.

use std::collections::BTreeMap;
use std::str::FromStr;

use gateway_api::gateways::Gateway;
use k8s_openapi::api::core::v1::Toleration;
use tidegate_config::Malformed;
use tidegate_config::limits::GATEWAY_REPLICAS_MAX;

use super::finding::wrong;
use super::quantity::{Cpu, Memory};
use crate::world::{Key, World};

/// How proxies are deployed. Each field is a key of the config map, by the name given with it.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameters {
    /// `serviceType`: `ClusterIP`, `NodePort` or `LoadBalancer`. Default `LoadBalancer`.
    pub service_type: ServiceType,
    /// `loadBalancerClass`: whose load balancer, with that type of Service. Default: the cluster's own.
    pub load_balancer_class: Option<String>,
    /// `replicas`: how many proxies, 1 to 100. Default 2.
    pub replicas: i32,
    /// `cpu`: what each proxy asks for. Default `100m`.
    pub cpu: Cpu,
    /// `cpuLimit`: what it gets at most. Default: no limit, for a limit makes requests wait although the node is idle.
    pub cpu_limit: Option<Cpu>,
    /// `memory`: what it asks for and gets at most. Default `256Mi`.
    pub memory: Memory,
    /// `nodeSelector`: labels that its node must have, `KEY=VALUE,KEY=VALUE`. Default: none.
    pub node_selector: BTreeMap<String, String>,
    /// `tolerations`: taints that its node may have, `KEY=VALUE:EFFECT` or `KEY:EFFECT` for any value, separated by
    /// commas. Default: none.
    pub tolerations: Vec<Toleration>,
    /// `priorityClassName`: Default: the cluster's own.
    pub priority_class: Option<String>,
}

/// How a Gateway's Service is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServiceType {
    /// From inside the cluster.
    ClusterIp,
    /// By a port of every node.
    NodePort,
    /// By a load balancer of the cluster's provider.
    LoadBalancer,
}

impl ServiceType {
    /// As Kubernetes writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ClusterIp => "ClusterIP",
            Self::NodePort => "NodePort",
            Self::LoadBalancer => "LoadBalancer",
        }
    }
}

impl FromStr for ServiceType {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let all = [Self::ClusterIp, Self::NodePort, Self::LoadBalancer];
        let found = all.into_iter().find(|kind| kind.as_str() == text);
        found.ok_or_else(|| Malformed::new(text, "is no type of Service", "ClusterIP, NodePort or LoadBalancer"))
    }
}

impl Default for Parameters {
    fn default() -> Self {
        Self {
            service_type: ServiceType::LoadBalancer,
            load_balancer_class: None,
            replicas: 2,
            cpu: Cpu::from_millis(100),
            cpu_limit: None,
            memory: Memory::from_mebibytes(256),
            node_selector: BTreeMap::new(),
            tolerations: Vec::new(),
            priority_class: None,
        }
    }
}

/// The parameters of a Gateway: what it refers to, over `defaults`; or every fault of it.
pub(super) fn of(world: &World, gateway: &Gateway, defaults: &Parameters) -> Result<Parameters, String> {
    let infrastructure = gateway.spec.infrastructure.as_ref();
    let Some(reference) = infrastructure.and_then(|infrastructure| infrastructure.parameters_ref.as_ref()) else {
        return Ok(defaults.clone());
    };
    let at = "spec.infrastructure.parametersRef";
    if !reference.group.is_empty() || reference.kind != "ConfigMap" {
        let written = format!("{} of group \"{}\" is not supported", reference.kind, reference.group);
        return Err(format!("{at}: {written}; allowed: kind ConfigMap, group \"\""));
    }
    let key = Key::new(gateway.metadata.namespace.clone().unwrap_or_default(), &reference.name);
    let map = world.config_maps.get(&key);
    let map = map.ok_or_else(|| format!("{at}: ConfigMap {key} does not exist; allowed: one that does"))?;
    let mut parameters = defaults.clone();
    let mut faults = parameters.overlay(map.data.iter().flatten());
    for name in map.binary_data.iter().flat_map(BTreeMap::keys) {
        faults.push(format!("{name}: bytes instead of text; allowed: text, under data"));
    }
    if faults.is_empty() {
        return Ok(parameters);
    }
    let faults = faults.into_iter().map(|fault| format!("{at}: ConfigMap {key}: {fault}"));
    Err(faults.collect::<Vec<_>>().join("; "))
}

impl Parameters {
    /// Those of an installation: an object of JSON with the keys of the config map, each with a text.
    pub fn parse(text: &str) -> Result<Self, String> {
        let data: BTreeMap<String, String> = serde_json::from_str(text)
            .map_err(|error| format!("{error}; allowed: an object of texts, such as {{\"replicas\": \"3\"}}"))?;
        let mut parameters = Self::default();
        let faults = parameters.overlay(&data);
        if faults.is_empty() { Ok(parameters) } else { Err(faults.join("; ")) }
    }

    /// Sets what is written; the faults that were found.
    fn overlay<'a>(&mut self, data: impl IntoIterator<Item = (&'a String, &'a String)>) -> Vec<String> {
        let mut faults = Vec::new();
        for (name, value) in data {
            if let Err(wrong) = self.set(name, value.trim()) {
                faults.push(format!("{name}: {wrong}"));
            }
        }
        if let Some(limit) = self.cpu_limit.filter(|limit| *limit < self.cpu) {
            faults.push(format!("cpuLimit: {limit} is less than cpu; allowed: {} or more", self.cpu));
        }
        faults
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        match name {
            "serviceType" => self.service_type = read(value)?,
            "loadBalancerClass" => self.load_balancer_class = Some(qualified(value)?),
            "replicas" => {
                let replicas = value.parse().ok().filter(|replicas| (1..=GATEWAY_REPLICAS_MAX).contains(replicas));
                self.replicas = replicas.ok_or_else(|| {
                    format!("\"{value}\" is no number of replicas; allowed: 1 to {GATEWAY_REPLICAS_MAX}")
                })?;
            }
            "cpu" => self.cpu = read(value)?,
            "cpuLimit" => self.cpu_limit = Some(read(value)?),
            "memory" => self.memory = read(value)?,
            "nodeSelector" => self.node_selector = list(value).map(label).collect::<Result<_, _>>()?,
            "tolerations" => self.tolerations = list(value).map(toleration).collect::<Result<_, _>>()?,
            "priorityClassName" => self.priority_class = Some(qualified(value)?),
            _ => {
                return Err("unknown; allowed: serviceType, loadBalancerClass, replicas, cpu, cpuLimit, memory, \
                            nodeSelector, tolerations, priorityClassName"
                    .to_owned());
            }
        }
        Ok(())
    }
}

fn read<T: FromStr<Err = Malformed>>(value: &str) -> Result<T, String> {
    value.parse().map_err(|error| wrong(&error))
}

fn list(value: &str) -> impl Iterator<Item = &str> {
    value.split(',').map(str::trim).filter(|part| !part.is_empty())
}

/// A name with or without a domain in front: `example.com/name`.
fn qualified(value: &str) -> Result<String, String> {
    let (prefix, name) = value.split_once('/').unwrap_or(("x", value));
    let domain = prefix.len() <= 253 && prefix.split('.').all(is_name);
    if domain && name.len() <= 253 && name.split('.').all(is_name) {
        Ok(value.to_owned())
    } else {
        Err(format!("\"{value}\" is not a name; allowed: letters, digits, '-', '_' and '.', as in example.com/name"))
    }
}

/// A part of a name: what may stand in a label, too.
fn is_name(part: &str) -> bool {
    let edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = part.as_bytes();
    let inner = bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    (1..=63).contains(&bytes.len()) && inner && edge(bytes.first()) && edge(bytes.last())
}

fn label(part: &str) -> Result<(String, String), String> {
    let (key, value) = part.split_once('=').ok_or_else(|| format!("\"{part}\" is no label; allowed: KEY=VALUE"))?;
    let fits = value.is_empty() || value.len() <= 63 && value.split('.').all(is_name);
    if fits {
        Ok((qualified(key)?, value.to_owned()))
    } else {
        Err(format!("\"{value}\" is not the value of a label; allowed: at most 63 letters, digits, '-', '_' and '.'"))
    }
}

fn toleration(part: &str) -> Result<Toleration, String> {
    let malformed = || {
        let allowed = "KEY=VALUE:EFFECT or KEY:EFFECT with NoSchedule, PreferNoSchedule or NoExecute";
        format!("\"{part}\" is no toleration; allowed: {allowed}")
    };
    let (taint, effect) = part.rsplit_once(':').ok_or_else(malformed)?;
    if !["NoSchedule", "PreferNoSchedule", "NoExecute"].contains(&effect) {
        return Err(malformed());
    }
    let (key, value) = if taint.contains('=') {
        label(taint).map(|(key, value)| (key, Some(value)))?
    } else {
        (qualified(taint)?, None)
    };
    let operator = if value.is_some() { "Equal" } else { "Exists" };
    Ok(Toleration {
        key: Some(key),
        operator: Some(operator.to_owned()),
        value,
        effect: Some(effect.to_owned()),
        toleration_seconds: None,
    })
}

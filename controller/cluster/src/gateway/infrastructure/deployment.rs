//! PURE. A Gateway's proxies. Nothing here depends on listeners: one more of them restarts no proxy.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::apps::v1::{Deployment, DeploymentSpec, DeploymentStrategy, RollingUpdateDeployment};
use k8s_openapi::api::core::v1::{
    Capabilities, ConfigMapVolumeSource, Container, ContainerPort, EmptyDirVolumeSource, EnvVar, HTTPGetAction,
    KeyToPath, PodSecurityContext, PodSpec, PodTemplateSpec, Probe, ProjectedVolumeSource, ResourceRequirements,
    SeccompProfile, SecurityContext, ServiceAccountTokenProjection, TopologySpreadConstraint, Volume, VolumeMount,
    VolumeProjection,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use tidegate_config::Timeouts;

use super::{Meta, Setup};
use crate::gateway::parameters::Parameters;
use crate::gateway::ports::ADMIN_PORT;

/// Where the controller's CA is mounted.
const CA_DIR: &str = "/var/run/tidegate/ca";
/// Where the token for the controller is mounted.
const TOKEN_DIR: &str = "/var/run/tidegate/token";
/// Where the proxy keeps the last publication.
const STATE_DIR: &str = "/var/lib/tidegate";
/// Who the tokens are for, so that they open nothing else.
const AUDIENCE: &str = "tidegate";
/// Seconds that a token is good for; the kubelet renews it long before.
const TOKEN_SECONDS: i64 = 3_600;
/// Seconds in which a proxy that is to stop still takes clients: until then Services learn not to choose it.
const LEAVE_SECONDS: i64 = 5;
/// Seconds for a drained proxy to end.
const EXIT_SECONDS: i64 = 10;
/// A user without a name: not root.
const NOBODY: i64 = 65_532;

/// The Deployment.
pub(super) fn deployment(meta: &Meta, parameters: &Parameters, setup: &Setup) -> Deployment {
    Deployment {
        metadata: meta.object(),
        spec: Some(DeploymentSpec {
            replicas: Some(parameters.replicas),
            selector: meta.selector(),
            strategy: Some(DeploymentStrategy {
                type_: Some("RollingUpdate".to_owned()),
                // A new proxy is ready before an old one leaves.
                rolling_update: Some(RollingUpdateDeployment {
                    max_surge: Some(IntOrString::Int(1)),
                    max_unavailable: Some(IntOrString::Int(0)),
                }),
            }),
            template: PodTemplateSpec { metadata: Some(meta.pod()), spec: Some(pod(meta, parameters, setup)) },
            ..DeploymentSpec::default()
        }),
        status: None,
    }
}

fn pod(meta: &Meta, parameters: &Parameters, setup: &Setup) -> PodSpec {
    let drain = Duration::from(Timeouts::default().drain).as_secs();
    let drain = i64::try_from(drain).unwrap_or(i64::MAX / 2);
    PodSpec {
        service_account_name: meta.name(),
        automount_service_account_token: Some(false),
        enable_service_links: Some(false),
        termination_grace_period_seconds: Some(LEAVE_SECONDS + drain + EXIT_SECONDS),
        security_context: Some(PodSecurityContext {
            run_as_non_root: Some(true),
            run_as_user: Some(NOBODY),
            run_as_group: Some(NOBODY),
            fs_group: Some(NOBODY),
            seccomp_profile: Some(SeccompProfile { type_: "RuntimeDefault".to_owned(), localhost_profile: None }),
            ..PodSecurityContext::default()
        }),
        containers: vec![container(parameters, setup)],
        volumes: Some(volumes(setup)),
        node_selector: Some(parameters.node_selector.clone()).filter(|labels| !labels.is_empty()),
        tolerations: Some(parameters.tolerations.clone()).filter(|tolerations| !tolerations.is_empty()),
        priority_class_name: parameters.priority_class.clone(),
        // Where there is more than one node, one may fail.
        topology_spread_constraints: Some(vec![TopologySpreadConstraint {
            max_skew: 1,
            topology_key: "kubernetes.io/hostname".to_owned(),
            when_unsatisfiable: "ScheduleAnyway".to_owned(),
            label_selector: Some(meta.selector()),
            ..TopologySpreadConstraint::default()
        }]),
        ..PodSpec::default()
    }
}

fn container(parameters: &Parameters, setup: &Setup) -> Container {
    let env = [
        ("TIDEGATE_CONTROLLER", setup.controller.clone()),
        ("TIDEGATE_CA", format!("{CA_DIR}/ca.crt")),
        ("TIDEGATE_TOKEN", format!("{TOKEN_DIR}/token")),
        ("TIDEGATE_STATE_DIR", STATE_DIR.to_owned()),
        ("TIDEGATE_ADMIN", format!("0.0.0.0:{ADMIN_PORT}")),
        ("TIDEGATE_LEAVE", LEAVE_SECONDS.to_string()),
        // Huge pages make an idle proxy ten times as large.
        ("MIMALLOC_ALLOW_THP", "0".to_owned()),
    ];
    let env = env.map(|(name, value)| EnvVar { name: name.to_owned(), value: Some(value), value_from: None });
    let mounts = [("ca", CA_DIR, true), ("token", TOKEN_DIR, true), ("state", STATE_DIR, false)];
    let mounts = mounts.map(|(name, path, read_only)| VolumeMount {
        name: name.to_owned(),
        mount_path: path.to_owned(),
        read_only: read_only.then_some(true),
        ..VolumeMount::default()
    });
    Container {
        name: "proxy".to_owned(),
        image: Some(setup.image.clone()),
        env: Some(env.into()),
        ports: Some(vec![ContainerPort {
            name: Some("admin".to_owned()),
            container_port: i32::from(ADMIN_PORT),
            protocol: Some("TCP".to_owned()),
            ..ContainerPort::default()
        }]),
        readiness_probe: Some(probe("/readyz", 2, 2)),
        liveness_probe: Some(probe("/healthz", 10, 3)),
        resources: Some(resources(parameters)),
        security_context: Some(SecurityContext {
            allow_privilege_escalation: Some(false),
            read_only_root_filesystem: Some(true),
            run_as_non_root: Some(true),
            capabilities: Some(Capabilities { drop: Some(vec!["ALL".to_owned()]), add: None }),
            ..SecurityContext::default()
        }),
        volume_mounts: Some(mounts.into()),
        ..Container::default()
    }
}

fn probe(path: &str, period: i32, failures: i32) -> Probe {
    Probe {
        http_get: Some(HTTPGetAction {
            path: Some(path.to_owned()),
            port: IntOrString::Int(i32::from(ADMIN_PORT)),
            scheme: Some("HTTP".to_owned()),
            ..HTTPGetAction::default()
        }),
        period_seconds: Some(period),
        timeout_seconds: Some(2),
        failure_threshold: Some(failures),
        ..Probe::default()
    }
}

fn resources(parameters: &Parameters) -> ResourceRequirements {
    let memory = || ("memory".to_owned(), Quantity::from(parameters.memory));
    let limit = parameters.cpu_limit.map(|limit| ("cpu".to_owned(), limit.into()));
    ResourceRequirements {
        requests: Some(BTreeMap::from([memory(), ("cpu".to_owned(), parameters.cpu.into())])),
        limits: Some([memory()].into_iter().chain(limit).collect()),
        claims: None,
    }
}

fn volumes(setup: &Setup) -> Vec<Volume> {
    let token = ServiceAccountTokenProjection {
        audience: Some(AUDIENCE.to_owned()),
        expiration_seconds: Some(TOKEN_SECONDS),
        path: "token".to_owned(),
    };
    vec![
        Volume {
            name: "ca".to_owned(),
            config_map: Some(ConfigMapVolumeSource {
                name: setup.ca_config_map.clone(),
                items: Some(vec![KeyToPath { key: "ca.crt".to_owned(), path: "ca.crt".to_owned(), mode: None }]),
                ..ConfigMapVolumeSource::default()
            }),
            ..Volume::default()
        },
        Volume {
            name: "token".to_owned(),
            projected: Some(ProjectedVolumeSource {
                sources: Some(vec![VolumeProjection {
                    service_account_token: Some(token),
                    ..VolumeProjection::default()
                }]),
                ..ProjectedVolumeSource::default()
            }),
            ..Volume::default()
        },
        Volume { name: "state".to_owned(), empty_dir: Some(EmptyDirVolumeSource::default()), ..Volume::default() },
    ]
}

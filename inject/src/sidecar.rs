//! The sidecar's container and its volumes.

use serde_json::{Value, json};

use crate::options::InjectionOptions;
use crate::takeover::Takeover;

/// The name of the sidecar's container.
pub const CONTAINER: &str = "tidegate-proxy";
/// The port of the sidecar's metrics and probes.
pub const ADMIN_PORT: u16 = 15_090;

/// The names of the sidecar's volumes: what it is told to believe in, and what it keeps.
pub(crate) const VOLUMES: [&str; 2] = ["tidegate-identity", "tidegate-state"];

/// Where credentials of the API server would be mounted, by the API server itself, were nothing mounted there: so the
/// sidecar has none.
const IDENTITY_DIR: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
const STATE_DIR: &str = "/var/lib/tidegate";
/// Two publications of the largest size fit: the last one, and the one that replaces it.
const STATE_SIZE: &str = "64Mi";
/// Seconds that a token is good for; the kubelet makes a new one after four fifths of them.
const TOKEN_SECONDS: u32 = 3_600;
/// The user and group of the image, nobody's else.
const USER: u32 = 65_532;

/// Where an application accepts connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ApplicationAddress {
    /// On every address, or on the loopback one.
    Loopback,
    /// On the address of the pod alone.
    Pod,
}

/// The container. It has no startup probe, which would hold the application's start back, and a readiness probe: a pod
/// whose port leads to a sidecar is not ready before it.
pub(crate) fn container(options: &InjectionOptions, taken: &[Takeover], application: ApplicationAddress) -> Value {
    let InjectionOptions { image, controller: _, ca: _, audience: _, resources } = options;
    let port = |name: &str, number: u16| json!({ "name": name, "containerPort": number, "protocol": "TCP" });
    let mut ports: Vec<_> = taken.iter().map(|port_| port(&port_.name, port_.listen)).collect();
    ports.push(port("tidegate-admin", ADMIN_PORT));
    let ((cpu, cpu_max), (memory, memory_max)) = (resources.cpu(), resources.memory());
    json!({
        "name": CONTAINER,
        "image": image,
        "restartPolicy": "Always",
        "env": environment(options, taken, application),
        "ports": ports,
        // The kubelet stops it only when the application is gone, but runs this when the pod begins to end: by then no client
        // is to hold a connection.
        "lifecycle": { "preStop": { "exec": { "command": ["/tidegate-proxy", "leave"] } } },
        "readinessProbe": {
            "httpGet": { "path": "/readyz", "port": ADMIN_PORT },
            "periodSeconds": 1,
            "timeoutSeconds": 1,
            "failureThreshold": 3,
        },
        "resources": {
            "requests": { "cpu": cpu.to_string(), "memory": memory.to_string() },
            "limits": { "cpu": cpu_max.to_string(), "memory": memory_max.to_string() },
        },
        "securityContext": {
            "allowPrivilegeEscalation": false,
            "capabilities": { "drop": ["ALL"] },
            "privileged": false,
            "readOnlyRootFilesystem": true,
            "runAsGroup": USER,
            "runAsNonRoot": true,
            "runAsUser": USER,
            "seccompProfile": { "type": "RuntimeDefault" },
        },
        "volumeMounts": [
            { "name": VOLUMES[0], "mountPath": IDENTITY_DIR, "readOnly": true },
            { "name": VOLUMES[1], "mountPath": STATE_DIR },
        ],
    })
}

fn environment(options: &InjectionOptions, taken: &[Takeover], application: ApplicationAddress) -> Value {
    let join = |each: &dyn Fn(&Takeover) -> String| taken.iter().map(each).collect::<Vec<_>>().join(",");
    // The kubelet puts the address in; it must be defined before it is used.
    let host = match application {
        ApplicationAddress::Loopback => "127.0.0.1",
        ApplicationAddress::Pod => "$(TIDEGATE_OWN_ADDRESS)",
    };
    let plain = [
        ("TIDEGATE_CONTROLLER", options.controller.clone()),
        ("TIDEGATE_CA", format!("{IDENTITY_DIR}/ca.crt")),
        ("TIDEGATE_TOKEN", format!("{IDENTITY_DIR}/token")),
        ("TIDEGATE_STATE_DIR", STATE_DIR.to_owned()),
        ("TIDEGATE_ADMIN", format!("0.0.0.0:{ADMIN_PORT}")),
        ("TIDEGATE_FALLBACK", join(&|port| format!("{host}:{}", port.application))),
        ("TIDEGATE_FALLBACK_LISTEN", join(&|port| format!("0.0.0.0:{}", port.listen))),
        // A third of the memory of an idle process, for one or two percent of CPU.
        ("MIMALLOC_ALLOW_THP", "0".to_owned()),
    ];
    let address =
        json!({ "name": "TIDEGATE_OWN_ADDRESS", "valueFrom": { "fieldRef": { "fieldPath": "status.podIP" } } });
    let plain = plain.into_iter().map(|(name, value)| json!({ "name": name, "value": value }));
    std::iter::once(address).chain(plain).collect()
}

/// The volumes. The certificates come from the pod's own annotation: no object must exist in its namespace beforehand, and
/// whoever changes the annotation changes the file in the running pod.
pub(crate) fn volumes(options: &InjectionOptions) -> [Value; 2] {
    let ca = format!("metadata.annotations['{}']", crate::CA);
    [
        json!({
            "name": VOLUMES[0],
            "projected": {
                "sources": [
                    { "serviceAccountToken": {
                        "audience": options.audience, "expirationSeconds": TOKEN_SECONDS, "path": "token",
                    } },
                    { "downwardAPI": { "items": [{ "path": "ca.crt", "fieldRef": { "fieldPath": ca } }] } },
                ],
            },
        }),
        json!({ "name": VOLUMES[1], "emptyDir": { "sizeLimit": STATE_SIZE } }),
    ]
}

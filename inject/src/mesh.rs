//! The marks of other meshes. Two proxies that both want a pod's inbound traffic break it.

use tidegate_config::Problems;

use crate::pod::Pod;
use crate::wish::Namespace;

/// Containers of other meshes' proxies.
const CONTAINERS: [&str; 6] =
    ["istio-proxy", "istio-init", "linkerd-proxy", "linkerd-init", "kuma-sidecar", "consul-dataplane"];

/// Labels and annotations by which a pod or a namespace joins another mesh, and the values that do not.
const MARKS: [(&str, &[&str]); 10] = [
    ("sidecar.istio.io/status", &[]),
    ("sidecar.istio.io/inject", &["false"]),
    ("istio.io/rev", &[]),
    ("istio.io/dataplane-mode", &["none"]),
    ("istio-injection", &["disabled"]),
    ("linkerd.io/inject", &["disabled"]),
    ("linkerd.io/proxy-version", &[]),
    ("kuma.io/sidecar-injection", &["disabled", "false"]),
    ("kuma.io/sidecar-injected", &["false"]),
    ("consul.hashicorp.com/connect-inject", &["false"]),
];

/// The marks by which a pod says for itself what its namespace says for all.
const OWN: [(&str, &str); 3] =
    [("istio", "sidecar.istio.io/inject"), ("linkerd", "linkerd.io/inject"), ("kuma", "kuma.io/sidecar-injection")];

const ALLOWED: &str = "a pod in no other mesh: only one proxy can take its inbound traffic";

/// Adds every mark of another mesh.
pub(crate) fn check(pod: &Pod, namespace: &Namespace, problems: &mut Problems) {
    for (path, container) in pod.spec.containers() {
        if CONTAINERS.contains(&container.name.as_str()) {
            problems.add(format!("{path}.name"), format!("{} is another mesh's", container.name), ALLOWED);
        }
    }
    let metadata = pod.metadata.as_ref();
    let own = [
        ("metadata.labels", metadata.and_then(|metadata| metadata.labels.as_ref())),
        ("metadata.annotations", metadata.and_then(|metadata| metadata.annotations.as_ref())),
    ];
    let of_namespace = [
        ("the namespace's metadata.labels", Some(&namespace.labels)),
        ("the namespace's metadata.annotations", Some(&namespace.annotations)),
    ];
    for (mark, harmless) in MARKS {
        // What a pod says for itself wins over its namespace, here as there.
        let asked = if decides_itself(pod, mark) { [("", None); 2] } else { of_namespace };
        for (field, values) in own.into_iter().chain(asked) {
            let value = values.and_then(|values| values.get(mark));
            if let Some(value) = value.filter(|value| !harmless.contains(&value.as_str())) {
                problems.add(format!("{field}[{mark}]"), format!("\"{value}\" is another mesh's"), ALLOWED);
            }
        }
    }
}

/// Whether the pod itself says whether it joins the mesh that a mark belongs to.
fn decides_itself(pod: &Pod, mark: &str) -> bool {
    let own = OWN.iter().find(|(mesh, _)| mark.contains(mesh)).map(|(_, own)| *own);
    own.is_some_and(|own| pod.label(own).is_some() || pod.annotation(own).is_some())
}

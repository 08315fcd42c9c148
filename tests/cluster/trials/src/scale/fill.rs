//! Fills the API server with the objects of a large cluster. No kubelet runs these pods: they say that they are ready.

use futures_util::{StreamExt, TryStreamExt, stream};
use hyper::Request;
use kube::Client;
use serde_json::{Value, json};

use crate::{Fault, say};

/// Services of one namespace.
const TOGETHER: usize = 50;
const NODES: usize = 50;
/// Requests under way at once.
const AT_ONCE: usize = 16;
/// The Gateway's namespace, and where its proxy is reached.
pub(super) const GATEWAY: &str = "crowd";
pub(super) const PROXY: &str = "10.250.0.100";

/// How many there are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Crowd {
    pub(super) services: usize,
    pub(super) pods: usize,
    pub(super) rollouts: usize,
}

impl Crowd {
    /// Whether a new version of a Service is tried: of as many as there are to be, evenly among all.
    pub(super) fn is_released(self, service: usize) -> bool {
        service * self.rollouts % self.services < self.rollouts
    }

    /// Whether that is asked for by annotations: every other one.
    fn is_annotated(self, service: usize) -> bool {
        self.is_released(service) && (service * self.rollouts / self.services).is_multiple_of(2)
    }

    /// Makes everything but the new versions.
    pub(super) async fn fill(&self, client: &Client) -> Result<(), Fault> {
        let spaces = (0..self.services.div_ceil(TOGETHER)).map(|number| format!("crowd-{number}"));
        let spaces: Vec<String> = spaces.chain([GATEWAY.into(), "tidegate-system".into()]).collect();
        each("namespaces", spaces, |space| make_namespace(client, space)).await?;
        each("nodes", 0..NODES, |number| make_node(client, number)).await?;
        make(client, "/apis/gateway.networking.k8s.io/v1", "gatewayclasses", class()).await?;
        make(client, &format!("/apis/gateway.networking.k8s.io/v1/namespaces/{GATEWAY}"), "gateways", gateway())
            .await?;
        each("Services with all that is theirs", 0..self.services, |number| self.make_service(client, number)).await
    }

    /// Brings the new versions: a revision of the Deployment, with one pod that is held.
    pub(super) async fn release(&self, client: &Client) -> Result<(), Fault> {
        let released = (0..self.services).filter(|number| self.is_released(*number));
        each("new versions", released, |number| async move {
            let space = namespace(number);
            let path = format!("/apis/apps/v1/namespaces/{space}");
            let deployment = send(client, "GET", &format!("{path}/deployments/{}", name(number)), None).await?;
            let owner = owner("Deployment", &deployment);
            let set = make(client, &path, "replicasets", replica_set(number, "bb", 1, &owner)).await?;
            make_pod(client, pod(number, "bb", 0, &address(number, 99), &set)).await?;
            let status = deployment_status(self.pods + 1, 1);
            set_status(client, &path, "deployments", &name(number), &status).await
        })
        .await
    }

    async fn make_service(&self, client: &Client, number: usize) -> Result<(), Fault> {
        let space = namespace(number);
        let core = format!("/api/v1/namespaces/{space}");
        let apps = format!("/apis/apps/v1/namespaces/{space}");
        make(client, &core, "services", service(number, self.is_annotated(number))).await?;
        let routes = format!("/apis/gateway.networking.k8s.io/v1/namespaces/{space}");
        make(client, &routes, "httproutes", route(number)).await?;
        let deployment = make(client, &apps, "deployments", deployment(number, self.pods)).await?;
        let owner = owner("Deployment", &deployment);
        set_status(client, &apps, "deployments", &name(number), &deployment_status(self.pods, self.pods)).await?;
        let set = make(client, &apps, "replicasets", replica_set(number, "aa", self.pods, &owner)).await?;
        let addresses: Vec<String> = (0..self.pods).map(|pod| address(number, pod)).collect();
        for (index, address) in addresses.iter().enumerate() {
            make_pod(client, pod(number, "aa", index, address, &set)).await?;
        }
        let slices = format!("/apis/discovery.k8s.io/v1/namespaces/{space}");
        make(client, &slices, "endpointslices", slice(number, &addresses)).await?;
        // The others ask for it by annotations.
        if self.is_released(number) && !self.is_annotated(number) {
            let path = format!("/apis/tidegate.dev/v1alpha1/namespaces/{space}");
            make(client, &path, "rollouts", rollout(number)).await?;
        }
        Ok(())
    }
}

async fn each<T, W: Future<Output = Result<(), Fault>>>(
    what: &str,
    all: impl IntoIterator<Item = T>,
    make: impl Fn(T) -> W,
) -> Result<(), Fault> {
    let mut done = 0;
    let mut ended = stream::iter(all.into_iter().map(make)).buffer_unordered(AT_ONCE);
    while ended.try_next().await?.is_some() {
        done += 1;
        if done % 500 == 0 {
            say(format!("{done} {what}"));
        }
    }
    say(format!("{done} {what} are there"));
    Ok(())
}

pub(super) async fn send(client: &Client, method: &str, path: &str, body: Option<&Value>) -> Result<Value, Fault> {
    let kind = if method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
    let body = body.map(serde_json::to_vec).transpose()?.unwrap_or_default();
    let request = Request::builder().method(method).uri(path).header("content-type", kind).body(body)?;
    client.request(request).await.map_err(|error| format!("{method} {path}: {error}").into())
}

pub(super) async fn make(client: &Client, path: &str, kind: &str, object: Value) -> Result<Value, Fault> {
    send(client, "POST", &format!("{path}/{kind}"), Some(&object)).await
}

async fn set_status(client: &Client, path: &str, kind: &str, name: &str, status: &Value) -> Result<(), Fault> {
    send(client, "PATCH", &format!("{path}/{kind}/{name}/status"), Some(&json!({ "status": status }))).await.map(drop)
}

/// Makes a pod that is ready, as far as nothing but us holds it.
pub(super) async fn make_pod(client: &Client, (pod, status): (Value, Value)) -> Result<(), Fault> {
    let space = pod["metadata"]["namespace"].as_str().unwrap_or_default().to_owned();
    let name = pod["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    let path = format!("/api/v1/namespaces/{space}");
    make(client, &path, "pods", pod).await?;
    set_status(client, &path, "pods", &name, &status).await
}

async fn make_namespace(client: &Client, name: String) -> Result<(), Fault> {
    let space = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
    make(client, "/api/v1", "namespaces", space).await?;
    // Nobody else makes it: the controllers of Kubernetes do not run, or they would tidy up.
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}});
    make(client, &format!("/api/v1/namespaces/{name}"), "serviceaccounts", account).await.map(drop)
}

async fn make_node(client: &Client, number: usize) -> Result<(), Fault> {
    let name = format!("crowd-{number}");
    make(client, "/api/v1", "nodes", json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}})).await?;
    let status =
        json!({"conditions": [{"type": "Ready", "status": "True"}, {"type": "DiskPressure", "status": "False"}]});
    set_status(client, "/api/v1", "nodes", &name, &status).await
}

pub(super) fn namespace(service: usize) -> String {
    format!("crowd-{}", service / TOGETHER)
}

pub(super) fn name(service: usize) -> String {
    format!("service-{service}")
}

/// The first address of a pod.
pub(super) fn address(service: usize, pod: usize) -> String {
    let number = service * 100 + pod;
    format!("10.{}.{}.{}", 128 + number / 65_536, number / 256 % 256, number % 256)
}

fn owner(kind: &str, object: &Value) -> Value {
    let meta = &object["metadata"];
    json!({"apiVersion": "apps/v1", "kind": kind, "name": meta["name"], "uid": meta["uid"], "controller": true})
}

fn class() -> Value {
    json!({
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "GatewayClass", "metadata": {"name": "tidegate"},
        "spec": {"controllerName": tidegate_cluster::gateway::CONTROLLER_NAME},
    })
}

fn gateway() -> Value {
    json!({
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway", "metadata": {"name": "web"},
        "spec": {"gatewayClassName": "tidegate", "listeners": [{
            "name": "http", "port": 80, "protocol": "HTTP", "allowedRoutes": {"namespaces": {"from": "All"}},
        }]},
    })
}

fn service(number: usize, annotated: bool) -> Value {
    let annotations = if annotated {
        json!({"tidegate.dev/strategy": "canary", "tidegate.dev/steps": STEPS.join(", "), "tidegate.dev/soak": "50m",
            "tidegate.dev/pace": "time", "tidegate.dev/deadline": "3d", "tidegate.dev/capacity": "ignore"})
    } else {
        json!({"example.com/team": "crowd"})
    };
    json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": name(number), "annotations": annotations, "labels": {"app": name(number)}},
        "spec": {"selector": {"app": name(number)}, "ports": [{"name": "http", "port": 80, "targetPort": "http"}]},
    })
}

/// Steps that nobody takes meanwhile: no visitor comes.
const STEPS: [&str; 5] = ["1%", "5%", "25%", "50%", "100%"];

fn rollout(number: usize) -> Value {
    json!({
        "apiVersion": "tidegate.dev/v1alpha1", "kind": "Rollout", "metadata": {"name": name(number)},
        "spec": {"service": name(number), "strategy": "canary", "steps": STEPS, "soak": "50m", "pace": "time",
            "deadline": "3d", "capacity": "ignore"},
    })
}

fn route(number: usize) -> Value {
    json!({
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": {"name": name(number)},
        "spec": {
            "parentRefs": [{"name": "web", "namespace": GATEWAY}],
            "hostnames": [format!("{}.example.com", name(number))],
            "rules": [{"backendRefs": [{"name": name(number), "port": 80}]}],
        },
    })
}

fn template(number: usize) -> Value {
    let variables: Vec<Value> =
        (0..10).map(|it| json!({"name": format!("VARIABLE_{it}"), "value": "what an application is told"})).collect();
    json!({
        "metadata": {"labels": {"app": name(number), "team": "crowd"}},
        "spec": {"containers": [{
            "name": "app", "image": "registry.example.com/crowd/application:1.2.3", "env": variables,
            "ports": [{"name": "http", "containerPort": 8080}],
            "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"memory": "64Mi"}},
            "readinessProbe": {"httpGet": {"path": "/healthz", "port": "http"}},
            "volumeMounts": [{"name": "scratch", "mountPath": "/scratch"}],
        }], "volumes": [{"name": "scratch", "emptyDir": {}}]},
    })
}

fn deployment(number: usize, pods: usize) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name(number)},
        "spec": {"replicas": pods, "selector": {"matchLabels": {"app": name(number)}}, "template": template(number)},
    })
}

fn deployment_status(pods: usize, updated: usize) -> Value {
    json!({"observedGeneration": 1, "replicas": pods, "updatedReplicas": updated, "availableReplicas": pods,
        "readyReplicas": pods})
}

fn replica_set(number: usize, hash: &str, pods: usize, owner: &Value) -> Value {
    let mut template = template(number);
    template["metadata"]["labels"]["pod-template-hash"] = json!(hash);
    let labels = json!({"app": name(number), "pod-template-hash": hash});
    let revision = if hash == "aa" { "1" } else { "2" };
    json!({
        "apiVersion": "apps/v1", "kind": "ReplicaSet",
        "metadata": {"name": format!("{}-{hash}", name(number)), "labels": labels, "ownerReferences": [owner],
            "annotations": {"deployment.kubernetes.io/revision": revision}},
        "spec": {"replicas": pods, "selector": {"matchLabels": labels}, "template": template},
    })
}

/// A pod and its status. One of a new version has our gate, which is shut.
pub(super) fn pod(number: usize, hash: &str, index: usize, address: &str, set: &Value) -> (Value, Value) {
    let mut pod = template(number);
    pod["metadata"] = json!({
        "name": format!("{}-{hash}-{index}", name(number)), "namespace": namespace(number),
        "labels": {"app": name(number), "team": "crowd", "pod-template-hash": hash},
        "ownerReferences": [owner("ReplicaSet", set)],
    });
    pod["spec"]["nodeName"] = json!(format!("crowd-{}", (number + index) % NODES));
    let held = hash != "aa";
    if held {
        pod["spec"]["readinessGates"] = json!([{"conditionType": tidegate_cluster::versions::GATE}]);
    }
    (pod, pod_status(address, !held))
}

fn pod_status(address: &str, ready: bool) -> Value {
    let condition = |kind, holds: bool| {
        json!({"type": kind, "status": if holds { "True" } else { "False" },
        "lastTransitionTime": "2026-01-01T00:00:00Z"})
    };
    json!({
        "phase": "Running", "podIP": address, "podIPs": [{"ip": address}], "hostIP": "10.250.0.1",
        "conditions": [condition("PodReadyToStartContainers", true), condition("Initialized", true),
            condition("Ready", ready), condition("ContainersReady", true), condition("PodScheduled", true)],
        "containerStatuses": [{"name": "app", "ready": true, "restartCount": 0, "started": true,
            "image": "registry.example.com/crowd/application:1.2.3", "imageID": "sha256:0123456789",
            "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}}}],
    })
}

/// The pod of the Gateway's proxy, as the controller's own Deployment would have it.
pub(super) fn proxy_pod(account: &str) -> (Value, Value) {
    let labels = json!({"gateway.networking.k8s.io/gateway-name": "web", "tidegate.dev/component": "proxy"});
    let pod = json!({
        "metadata": {"name": "proxy", "namespace": GATEWAY, "labels": labels},
        "spec": {"nodeName": "crowd-0", "serviceAccountName": account, "automountServiceAccountToken": false,
            "containers": [{"name": "proxy", "image": "tidegate-proxy"}]},
    });
    (pod, pod_status(PROXY, true))
}

pub(super) fn slice(number: usize, addresses: &[String]) -> Value {
    json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
        "metadata": {"name": name(number), "labels": {"kubernetes.io/service-name": name(number)}},
        "addressType": "IPv4", "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
        "endpoints": endpoints(addresses),
    })
}

pub(super) fn endpoints(addresses: &[String]) -> Vec<Value> {
    let endpoint = |address| {
        json!({"addresses": [address], "nodeName": "crowd-0",
        "conditions": {"ready": true, "serving": true, "terminating": false}})
    };
    addresses.iter().map(endpoint).collect()
}

//! What a pod looks like afterwards.

use serde_json::{Value, json};
use tidegate_inject::{ADMIN_PORT, CA, CONTAINER, INJECTED, NotInjected, PORTS, Service, Takeover, inject};

use super::setting::{KUBERNETES, POD, SERVICE, injected, namespace, options, resolved, yaml};

/// The sidecar's environment variable.
fn variable(pod: &Value, name: &str) -> Option<String> {
    let all = pod["spec"]["initContainers"][0]["env"].as_array().unwrap();
    all.iter()
        .find(|variable| variable["name"] == name)
        .map(|variable| variable["value"].as_str().unwrap_or_default().to_owned())
}

#[test]
fn the_sidecar_takes_the_name_and_the_application_keeps_its_port() {
    let pod = injected(&yaml(POD), &[yaml(SERVICE)]).unwrap();
    assert_eq!(pod["spec"]["containers"][0]["ports"], json!([{ "name": "http-app", "containerPort": 8080 }]));
    assert_eq!(pod["spec"]["containers"][0]["image"], "shop:1");
    let sidecar = &pod["spec"]["initContainers"][0];
    assert_eq!((&sidecar["name"], &sidecar["restartPolicy"]), (&json!(CONTAINER), &json!("Always")));
    assert_eq!(sidecar["ports"][0], json!({ "name": "http", "containerPort": 15000, "protocol": "TCP" }));
    assert_eq!(resolved(&pod, "http"), Some(15000));
    assert_eq!(resolved(&pod, "http-app"), Some(8080));
    for (name, value) in [
        ("TIDEGATE_CONTROLLER", "https://tidegate-controller.tidegate-system.svc:8443"),
        ("TIDEGATE_CA", "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt"),
        ("TIDEGATE_TOKEN", "/var/run/secrets/kubernetes.io/serviceaccount/token"),
        ("TIDEGATE_STATE_DIR", "/var/lib/tidegate"),
        ("TIDEGATE_ADMIN", "0.0.0.0:15090"),
        ("TIDEGATE_FALLBACK", "127.0.0.1:8080"),
        ("TIDEGATE_FALLBACK_LISTEN", "0.0.0.0:15000"),
        ("MIMALLOC_ALLOW_THP", "0"),
    ] {
        assert_eq!(variable(&pod, name).as_deref(), Some(value), "{name}");
    }
    let own = &sidecar["env"][0];
    assert_eq!(own["name"], "TIDEGATE_OWN_ADDRESS");
    assert_eq!(own["valueFrom"]["fieldRef"]["fieldPath"], "status.podIP", "defined before it is used: {own}");
    let annotations = &pod["metadata"]["annotations"];
    assert_eq!(annotations[INJECTED], env!("CARGO_PKG_VERSION"));
    let taken = Takeover::read(annotations[PORTS].as_str().unwrap()).unwrap();
    assert_eq!(taken, [Takeover { name: "http".to_owned(), listen: 15000, application: 8080 }]);
    assert_eq!(annotations[CA], options().ca);
}

#[test]
fn the_sidecar_may_do_nothing_and_holds_nothing_back() {
    let pod = injected(&yaml(POD), &[yaml(SERVICE)]).unwrap();
    let sidecar = &pod["spec"]["initContainers"][0];
    let allowed = json!({
        "runAsNonRoot": true, "runAsUser": 65532, "runAsGroup": 65532, "readOnlyRootFilesystem": true,
        "allowPrivilegeEscalation": false, "privileged": false, "capabilities": { "drop": ["ALL"] },
        "seccompProfile": { "type": "RuntimeDefault" },
    });
    assert_eq!(sidecar["securityContext"], allowed);
    let resources = json!({
        "requests": { "cpu": "50m", "memory": "32Mi" }, "limits": { "cpu": "1", "memory": "128Mi" },
    });
    assert_eq!(sidecar["resources"], resources);
    // A startup probe would hold the application back; what is not ready gets no traffic.
    assert_eq!(sidecar["startupProbe"], Value::Null);
    assert_eq!(sidecar["readinessProbe"]["httpGet"], json!({ "path": "/readyz", "port": ADMIN_PORT }));
    assert_eq!(sidecar["lifecycle"]["preStop"]["exec"]["command"], json!(["/tidegate-proxy", "leave"]));
    // Credentials of the API server are mounted where nothing else is.
    assert_eq!(sidecar["volumeMounts"][0]["mountPath"], "/var/run/secrets/kubernetes.io/serviceaccount");
    let volumes = pod["spec"]["volumes"].as_array().unwrap();
    let token = &volumes[0]["projected"]["sources"][0]["serviceAccountToken"];
    assert_eq!((&token["audience"], &token["path"]), (&json!("tidegate"), &json!("token")));
    let certificates = &volumes[0]["projected"]["sources"][1]["downwardAPI"]["items"][0];
    assert_eq!(certificates["fieldRef"]["fieldPath"], format!("metadata.annotations['{CA}']"));
    assert!(volumes[1]["emptyDir"]["sizeLimit"].is_string());
}

#[test]
fn probes_and_hooks_go_on_asking_the_application() {
    let pod = yaml(
        "
metadata: { labels: { app: shop }, annotations: { tidegate.dev/inject: 'true' } }
spec:
  containers:
    - name: shop
      ports: [{ name: http, containerPort: 8080 }, { name: admin, containerPort: 8081 }]
      livenessProbe: { httpGet: { path: /live, port: http }, periodSeconds: 7 }
      readinessProbe: { tcpSocket: { port: http } }
      startupProbe: { httpGet: { port: admin } }
      lifecycle: { preStop: { httpGet: { port: http } }, postStart: { exec: { command: [x] } } }
    - name: beside
      ports: [{ name: http, containerPort: 9090 }]
      livenessProbe: { httpGet: { port: http } }
  initContainers:
    - { name: seed, image: seed }
",
    );
    let pod = injected(&pod, &[yaml(SERVICE)]).unwrap();
    let [shop, beside] = [0, 1].map(|index| &pod["spec"]["containers"][index]);
    assert_eq!(shop["livenessProbe"], json!({ "httpGet": { "path": "/live", "port": 8080 }, "periodSeconds": 7 }));
    assert_eq!(shop["readinessProbe"]["tcpSocket"]["port"], 8080);
    assert_eq!(shop["startupProbe"]["httpGet"]["port"], "admin");
    assert_eq!(shop["lifecycle"]["preStop"]["httpGet"]["port"], 8080);
    assert_eq!(shop["lifecycle"]["postStart"]["exec"]["command"], json!(["x"]));
    assert_eq!(
        (&beside["ports"][0]["name"], &beside["livenessProbe"]["httpGet"]["port"]),
        (&json!("http-app"), &json!(9090))
    );
    // Of two ports with a name a Service finds the first.
    assert_eq!(variable(&pod, "TIDEGATE_FALLBACK").as_deref(), Some("127.0.0.1:8080"));
    let init: Vec<_> = pod["spec"]["initContainers"].as_array().unwrap().iter().map(|c| c["name"].clone()).collect();
    assert_eq!(init, ["tidegate-proxy", "seed"]);
}

#[test]
fn names_of_all_services_are_taken_and_ports_in_use_avoided() {
    let pod = yaml(
        "
metadata: { labels: { app: shop }, annotations: { tidegate.dev/inject: 'true' } }
spec:
  containers:
    - name: shop
      ports:
        - { name: http, containerPort: 8080 }
        - { name: metrics, containerPort: 15000, protocol: TCP }
        - { name: dns, containerPort: 53, protocol: UDP }
      livenessProbe: { httpGet: { port: 15002 } }
",
    );
    let other = SERVICE.replace("name: shop", "name: other").replace("targetPort: http", "targetPort: metrics");
    let elsewhere = SERVICE.replace("app: shop", "app: elsewhere").replace("targetPort: http", "targetPort: 8080");
    let pod = injected(&pod, &[yaml(SERVICE), yaml(&other), yaml(&elsewhere)]).unwrap();
    assert_eq!(pod["metadata"]["annotations"][PORTS], "http:15001:8080,metrics:15003:15000");
    assert_eq!(variable(&pod, "TIDEGATE_FALLBACK").as_deref(), Some("127.0.0.1:8080,127.0.0.1:15000"));
    assert_eq!(variable(&pod, "TIDEGATE_FALLBACK_LISTEN").as_deref(), Some("0.0.0.0:15001,0.0.0.0:15003"));
    assert_eq!(pod["spec"]["containers"][0]["ports"][2]["name"], "dns");
}

#[test]
fn an_application_on_the_pods_address_is_called_there() {
    let pod = POD.replace("'true' }", "'true', tidegate.dev/application-address: pod }");
    let pod = injected(&yaml(&pod), &[yaml(SERVICE)]).unwrap();
    assert_eq!(variable(&pod, "TIDEGATE_FALLBACK").as_deref(), Some("$(TIDEGATE_OWN_ADDRESS):8080"));
}

#[test]
fn what_is_unknown_here_stays_and_twice_is_once() {
    let mut pod = yaml(POD);
    pod["spec"]["fieldOfTheFuture"] = json!({ "a": [1, null] });
    pod["spec"]["containers"][0]["ports"][0]["fieldOfTheFuture"] = json!(1.5);
    let once = injected(&pod, &[yaml(SERVICE)]).unwrap();
    assert_eq!(once["spec"]["fieldOfTheFuture"], pod["spec"]["fieldOfTheFuture"]);
    assert_eq!(once["spec"]["containers"][0]["ports"][0]["fieldOfTheFuture"], 1.5);
    assert_eq!(injected(&once, &[yaml(SERVICE)]), Ok(once.clone()));
    // Whatever Services there are by then.
    assert_eq!(injected(&once, &[]), Ok(once));
}

#[test]
fn pods_namespaces_and_services_ask_and_the_pod_has_the_last_word() {
    let services = [Service::read(&yaml(SERVICE)).unwrap()];
    let silent = POD.replace("annotations: { tidegate.dev/inject: 'true' }", "");
    let refusing = POD.replace("'true'", "'false'");
    let rows = [
        (silent.as_str(), "{}", false),
        (&silent, "{ tidegate.dev/inject: 'true' }", true),
        (&silent, "{ tidegate.dev/inject: 'false' }", false),
        (POD, "{}", true),
        (POD, "{ tidegate.dev/inject: 'false' }", true),
        (&refusing, "{ tidegate.dev/inject: 'true' }", false),
    ];
    for (pod, labels, expected) in rows {
        let result = inject(&yaml(pod), &namespace(labels), &services, KUBERNETES, &options());
        assert_eq!(result.is_ok(), expected, "{labels} {pod}: {result:?}");
        assert!(expected || result == Err(NotInjected::NotAsked), "{result:?}");
    }
    // A Service asks for its own pods, where neither they nor their namespace say anything.
    let elsewhere = SERVICE.replace("app: shop", "app: other");
    let rows = [
        (silent.as_str(), SERVICE, "{}", true),
        (&silent, SERVICE, "{ tidegate.dev/inject: 'false' }", false),
        (&refusing, SERVICE, "{}", false),
        (&silent, &elsewhere, "{}", false),
    ];
    for (pod, service, labels, expected) in rows {
        let services = [Service::read(&yaml(service)).unwrap().asking()];
        let result = inject(&yaml(pod), &namespace(labels), &services, KUBERNETES, &options());
        assert_eq!(result.is_ok(), expected, "{labels} {service} {pod}: {result:?}");
        assert!(expected || result == Err(NotInjected::NotAsked), "{result:?}");
    }
    // A whole namespace asks; who is behind no Service is not meant.
    let result = inject(&yaml(&silent), &namespace("{ tidegate.dev/inject: 'true' }"), &[], KUBERNETES, &options());
    assert_eq!(result, Err(NotInjected::NotAsked));
}

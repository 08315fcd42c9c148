//! What goes wrong says what it is and what to do, and never what is secret.

use std::net::TcpListener;

use serde_json::json;

use crate::objects::{memory, object};
use crate::server::{Api, SECRET, State};

fn shop() -> State {
    State { object: object("shop", &memory(&[])), ..State::default() }
}

fn says(api: &Api, kubeconfig: &str, arguments: &[&str], parts: &[&str]) {
    let ended = api.run_with(kubeconfig, arguments);
    assert_eq!((ended.code, ended.out.as_str()), (Some(1), ""), "{arguments:?}: {}", ended.err);
    for part in parts {
        assert!(ended.err.contains(part), "{part}: {}", ended.err);
    }
}

#[test]
fn what_is_not_there_is_told_with_what_is() {
    let api = Api::start(shop());
    for command in ["status", "explain", "history", "abort", "get"] {
        let parts = ["there is no Rollout shopp in namespace web; there are: shop"];
        says(&api, &api.kubeconfig(), &[command, "shopp"], &parts);
    }
    let parts = ["there is no Rollout of Service cart in namespace web; there are: shop"];
    says(&api, &api.kubeconfig(), &["status", "svc/cart"], &parts);
    let nothing = Api::start(State::default());
    says(&nothing, &nothing.kubeconfig(), &["status", "shop"], &["no Rollout is in it, `-A` looks into all"]);
}

#[test]
fn what_the_api_server_refuses_is_told() {
    const DENIED: &str = "ValidatingAdmissionPolicy 'tidegate-commands' denied request: not you";
    for (code, message, parts) in [
        (401, "Unauthorized", ["does not accept your credentials", "log in anew"]),
        (403, "User \"bob\" cannot list rollouts", ["User \"bob\" cannot list rollouts; ", "tidegate-viewer"]),
        (404, "404 page not found", ["does not know Rollouts (tidegate.dev/v1alpha1)", "docs/helm.md"]),
        (422, DENIED, ["kubectl-tidegate: ValidatingAdmissionPolicy", "not you"]),
        (503, "etcd is away", ["the API server http://127.0.0.1:", "says: etcd is away"]),
    ] {
        let api = Api::start(State { refuses: Some((code, message)), ..shop() });
        for arguments in [&["get"][..], &["get", "-w"], &["status", "shop"], &["abort", "shop"]] {
            says(&api, &api.kubeconfig(), arguments, &parts);
        }
    }
}

#[test]
fn a_kubeconfig_that_leads_nowhere_is_told() {
    let api = Api::start(shop());
    let good = api.kubeconfig();
    says(&api, &good, &["get", "--context", "elsewhere"], &["has no context `elsewhere`; allowed: here, there"]);
    let none = good.replace("\"current-context\":\"here\",", "");
    says(&api, &none, &["get"], &["names no current context; give one with `--context`; allowed: here, there"]);
    let broken = format!("users:\n- name: u\n  user: {{token: {SECRET}\n  x: [");
    says(&api, &broken, &["get"], &["the kubeconfig is no YAML of its kind", "--kubeconfig"]);
    let odd = good.replace(&format!("{{\"token\":\"{SECRET}\"}}"), &format!("[\"{SECRET}\"]"));
    says(&api, &odd, &["get"], &["the kubeconfig is no YAML of its kind"]);
    says(&api, &good, &["get", "--kubeconfig", "/nowhere/config"], &["the kubeconfig /nowhere/config cannot be read"]);
    // A port that nobody listens at.
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let away = good.replace(&api.address.to_string(), &free.to_string());
    says(&api, &away, &["get"], &[&format!("the API server http://{free} does not answer"), "refused"]);
}

#[test]
fn what_a_credential_plugin_prints_stays_unseen() {
    let api = Api::start(shop());
    let with = |script: String| {
        let exec = json!({"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "sh",
            "args": ["-c", script], "interactiveMode": "Never"}});
        api.kubeconfig().replace(&format!("{{\"token\":\"{SECRET}\"}}"), &exec.to_string())
    };
    let fails = with(format!("echo {SECRET}; echo 'log in first' >&2; exit 3"));
    says(&api, &fails, &["get"], &["no credentials for http://127.0.0.1:", "log in first"]);
    let babbles = with(format!("echo '{{token: {SECRET}'"));
    says(&api, &babbles, &["get"], &["no credentials for http://127.0.0.1:", "of no use"]);
}

#[test]
fn a_bad_command_line_is_told_before_anything_is_asked() {
    let api = Api::start(State { refuses: Some((500, "must not be asked")), ..shop() });
    for (arguments, part) in [
        (&["status", "pod/shop"][..], "allowed: NAME, rollout/NAME or svc/NAME"),
        (&["status", "shop", "--timeout", "5m"], "--wait"),
        (&["abort", "shop", "--timeout", "soon"], "is not a duration"),
        (&["get", "shop", "-A"], "cannot be used with"),
        (&["get", "--as-group", "admins"], "--as"),
    ] {
        let ended = api.run(arguments);
        assert_eq!(ended.code, Some(2), "{arguments:?}");
        assert!(ended.err.contains(part), "{part}: {}", ended.err);
    }
}

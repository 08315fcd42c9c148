//! Who may do what, and what is never told to anybody.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use tidegate_controller::store::Store;

use super::backend::Pair;
use super::site::Site;
use super::visitor::{Connection, Regulars, get};

const ROLLOUT: &str = "stable: v1
    canary: v2
    rollout: {strategy: canary, steps: [50%, 100%], soak: 60s, warmUp: 0s, scrapeInterval: 100ms,
              latency: {enabled: false}}";

#[tokio::test]
async fn state_belongs_to_its_owner() {
    let pair = Pair::start().await;
    let site = Site::new(&pair.file(ROLLOUT));
    let _instance = site.start().await;
    let mode = |path: &std::path::Path| fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&site.state()), 0o700);
    let mut names = Vec::new();
    for entry in fs::read_dir(site.state()).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
        names.push(path.file_name().unwrap().to_str().unwrap().to_owned());
    }
    names.sort();
    assert_eq!(names, ["control.sock", "state.redb"]);
}

#[tokio::test]
async fn the_admin_side_is_local_and_read_only() {
    let pair = Pair::start().await;
    let site = Site::new(&pair.file(ROLLOUT));
    let instance = site.start().await;
    assert!(instance.admin.ip().is_loopback());
    for path in ["/metrics", "/healthz", "/readyz"] {
        for (host, status) in [("localhost", 200), ("127.0.0.1:9900", 200), ("evil.example", 403), ("10.0.0.1", 403)] {
            let answer = get(instance.admin, path, &[("host", host)]).await.unwrap();
            assert_eq!(answer.status, status, "{path} as {host}");
        }
    }
    for path in ["/v1/rollouts/shop/abort", "/v1/status"] {
        let mut connection = Connection::open(instance.admin).await.unwrap();
        assert_eq!(connection.get(path, &[]).await.unwrap().status, 404, "{path} is for the socket");
    }
    // Nor is what is for operators served to clients: that is the service's own path there.
    let answer = get(instance.address, "/metrics", &[]).await.unwrap();
    assert!(answer.version().starts_with('v'), "{answer:?}");
}

#[tokio::test]
async fn nothing_secret_is_told() {
    let pair = Pair::start().await;
    let site = Site::new(&pair.file(ROLLOUT));
    let instance = site.start().await;
    instance.report_when("the first step in force", |report| report.step == 1 && report.in_force_since.is_some()).await;
    let mut regulars = Regulars::new(20);
    regulars.visit(instance.address).await;
    let (secret, word) = ("Bearer hunter2hunter2", "hunter2");
    let fields = [("authorization", secret), ("cookie", "session=hunter2"), ("x-api-key", "hunter2")];
    get(instance.address, "/account?token=hunter2", &fields).await.unwrap();
    instance.report_when("visitors counted", |it| it.canary.visitors + it.stable.visitors >= 20).await;
    let mut told = vec![instance.metrics().await, instance.said()];
    for command in
        [&["status"][..], &["status", "-o", "json"], &["explain", "shop"], &["explain", "shop", "-o", "json"]]
    {
        told.push(site.tidegate(command).await.out);
    }
    let said = instance.said();
    instance.kill().await;
    told.push(said);
    let (_store, stored) = Store::open(&site.state()).unwrap();
    let cookies = regulars.0.iter().flat_map(|visitor| visitor.jar.values()).cloned();
    let keys = [stored.keys.cookie, stored.keys.master].map(|key| key.0);
    let hex = keys.map(|key| format!("{:032x}", u128::from_be_bytes(key)));
    let decimal = keys.map(|key| format!("{key:?}").trim_matches(['[', ']']).to_owned());
    let secrets: Vec<String> = cookies.chain(hex).chain(decimal).chain([word.to_owned()]).collect();
    assert!(secrets.len() > 20, "{}", secrets.len());
    for text in &told {
        for secret in &secrets {
            assert!(!text.contains(secret.as_str()), "{secret} is in: {text}");
        }
    }
}

//! Which replica leads (`coordination.k8s.io/v1`, `Lease`). A leader that was frozen may still believe it leads for a
//! moment: what it then writes is refused, because every write names the version of the object it read.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use kube_lease_manager::{LeaseManagerBuilder, LeaseManagerError};
use serde_json::json;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep};

/// The Lease in the controller's own namespace.
const LEASE: &str = "tidegate-controller";
/// Seconds after its last renewal for which a Lease holds.
const HOLDS_SECONDS: u64 = 15;
/// Seconds before its end in which a holder renews it.
const RENEWED_SECONDS: u64 = 10;
/// Who holds the Lease that nobody is to have. It is nobody's name.
pub const NOBODY: &str = "nobody: uninstall";
/// Seconds for which nobody leads after the last renewal of that: enough to delete the replicas.
const NOBODY_SECONDS: i32 = 30;
/// How often it is renewed. A leader that does not know yet writes its own time into the Lease.
const NOBODY_EVERY: Duration = Duration::from_secs(1);

/// Stands for election until the receiver is dropped; it says whether this replica leads.
pub async fn stand(
    client: Client,
    namespace: &str,
    identity: &str,
) -> Result<(watch::Receiver<bool>, JoinHandle<Result<(), LeaseManagerError>>), LeaseManagerError> {
    let manager = LeaseManagerBuilder::new(client, LEASE)
        .with_namespace(namespace)
        .with_identity(identity)
        .with_duration(HOLDS_SECONDS)
        .with_grace(RENEWED_SECONDS)
        .build()
        .await?;
    let (leads, task) = manager.watch().await;
    let task = tokio::spawn(async move {
        match task.await {
            Ok(ended) => ended.map(drop),
            // It panicked, which has been printed; this replica leads no more.
            Err(_) => Ok(()),
        }
    });
    Ok((leads, task))
}

/// Whether the Lease names this replica. One that was frozen believes that it leads until it is told: what no version of an
/// object fences waits for this answer.
pub async fn holds(client: &Client, namespace: &str, identity: &str) -> Result<bool, kube::Error> {
    let leases: Api<Lease> = Api::namespaced(client.clone(), namespace);
    let lease = leases.get_opt(LEASE).await?;
    Ok(lease.and_then(|lease| lease.spec?.holder_identity).as_deref() == Some(identity))
}

/// Takes the lead away from every replica; none leads before the result is dropped, and a while after.
///
/// A leader notices when it renews its Lease, and this is waited for. Without a Lease there was never a leader.
pub async fn depose(client: &Client, namespace: &str) -> Result<JoinSet<()>, kube::Error> {
    let leases: Api<Lease> = Api::namespaced(client.clone(), namespace);
    let mut kept = JoinSet::new();
    let Some(lease) = leases.get_opt(LEASE).await? else { return Ok(kept) };
    hold(&leases).await?;
    if lease.spec.is_some_and(|spec| spec.holder_identity.is_some()) {
        let noticed = Instant::now() + Duration::from_secs(HOLDS_SECONDS);
        while Instant::now() < noticed {
            sleep(NOBODY_EVERY).await;
            hold(&leases).await?;
        }
    }
    kept.spawn(async move {
        loop {
            sleep(NOBODY_EVERY).await;
            // One that fails is made up for by the next.
            let _ = hold(&leases).await;
        }
    });
    Ok(kept)
}

async fn hold(leases: &Api<Lease>) -> Result<(), kube::Error> {
    let now = MicroTime(k8s_openapi::jiff::Timestamp::now());
    let spec =
        json!({"holderIdentity": NOBODY, "acquireTime": now, "renewTime": now, "leaseDurationSeconds": NOBODY_SECONDS});
    leases.patch(LEASE, &PatchParams::default(), &Patch::Merge(json!({ "spec": spec }))).await.map(drop)
}

//! Which replica leads (`coordination.k8s.io/v1`, `Lease`). A leader that was frozen may still believe it leads for a
//! moment: what it then writes is refused, because every write names the version of the object it read.

use kube::Client;
use kube_lease_manager::{LeaseManagerBuilder, LeaseManagerError};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// The Lease in the controller's own namespace.
const LEASE: &str = "tidegate-controller";
/// Seconds after its last renewal for which a Lease holds.
const HOLDS_SECONDS: u64 = 15;
/// Seconds before its end in which a holder renews it.
const RENEWED_SECONDS: u64 = 10;

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

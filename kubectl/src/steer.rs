//! Commands: written as annotations of the object, answered in its status.

use std::collections::BTreeMap;
use std::time::Duration;

use kube::core::DynamicObject;
use tidegate_cluster::lead::Wish;
use tidegate_config::{Name, Span};
use tidegate_controller::engine::Verb;

use crate::answer::{answer, no_answer};
use crate::cluster::Cluster;
use crate::failure::Failure;
use crate::seen;
use crate::wanted::Wanted;
use crate::watch::{Change, Watch};

/// How often a command is written anew where somebody else has written meanwhile.
const TRIES: usize = 20;

/// Commands, and waits until that was carried out. Returns the object as it is then.
pub(crate) async fn steer(
    cluster: &Cluster,
    wanted: &Wanted,
    verb: Verb,
    version: Option<&Name>,
    within: Span,
) -> Result<DynamicObject, Failure> {
    let object = cluster.find(wanted).await?;
    let by = cluster.whoami().await?;
    let id = id()?;
    let written = write(cluster, object, &Wish::annotations(&id, verb, version, &by)).await?;
    let patience = Duration::from_millis(within.millis());
    let answered = tokio::time::timeout(patience, answered(cluster, &written, &id)).await;
    answered.unwrap_or_else(|_| Err(no_answer(&written, within)))
}

async fn write(
    cluster: &Cluster,
    mut object: DynamicObject,
    annotations: &BTreeMap<String, String>,
) -> Result<DynamicObject, Failure> {
    for _ in 0..TRIES {
        match cluster.annotate(&object, annotations).await? {
            Some(written) => return Ok(written),
            None => object = cluster.again(&object).await?,
        }
    }
    Err(Failure::Busy(seen::name(&object)))
}

async fn answered(cluster: &Cluster, written: &DynamicObject, id: &str) -> Result<DynamicObject, Failure> {
    let mut watch = Watch::one(cluster, written);
    loop {
        match watch.next().await? {
            Change::There(object) => {
                if let Some(answer) = answer(&object, id) {
                    return answer.map(|()| *object);
                }
            }
            Change::Gone => return Err(Failure::Gone(seen::name(written))),
            Change::Complete => {}
        }
    }
}

/// What tells a command from every other.
fn id() -> Result<String, Failure> {
    let bytes = getrandom::u64().map_err(|_| Failure::Chance)?;
    Ok(format!("{bytes:016x}"))
}

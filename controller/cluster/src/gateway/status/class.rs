//! PURE. The status of a class of Gateways.

use gateway_api::gatewayclasses::{GatewayClass, GatewayClassStatus, GatewayClassStatusSupportedFeatures};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::{Patch, patch};
use crate::gateway::class::SUPPORTED_FEATURES;
use crate::gateway::finding::{Finding, conditions};

/// The status of a class of ours.
pub fn class(object: &GatewayClass, accepted: &Finding, now: &Time) -> Option<Patch<GatewayClassStatus>> {
    let before = object.status.as_ref();
    let known = before.and_then(|status| status.conditions.as_deref());
    let found = std::slice::from_ref(accepted);
    let conditions = conditions(found, &["Accepted"], object.metadata.generation, known, now);
    let feature = |name: &str| GatewayClassStatusSupportedFeatures { name: name.to_owned() };
    let status = GatewayClassStatus {
        conditions: Some(conditions),
        supported_features: Some(SUPPORTED_FEATURES.map(feature).into()),
    };
    patch(&object.metadata, before, status)
}

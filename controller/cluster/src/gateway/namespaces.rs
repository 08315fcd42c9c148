//! PURE. From which namespaces a listener takes routes (`Listener.allowedRoutes.namespaces`).

use gateway_api::gateways::{
    GatewayListenersAllowedRoutesNamespaces as Written, GatewayListenersAllowedRoutesNamespacesFrom as From,
    GatewayListenersAllowedRoutesNamespacesSelector as WrittenSelector,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};
use kube::core::{Selector, SelectorExt};

use crate::world::{Key, World};

/// A set of namespaces.
#[derive(Debug, Clone)]
pub(super) enum Namespaces {
    /// That of the Gateway.
    Same,
    /// Every one.
    All,
    /// Those with such labels.
    Labelled(Selector),
}

impl Namespaces {
    /// What is written, or what is wrong with it.
    pub(super) fn parse(written: Option<&Written>) -> Result<Self, String> {
        match written.and_then(|written| written.from.as_ref()) {
            None | Some(From::Same) => Ok(Self::Same),
            Some(From::All) => Ok(Self::All),
            Some(From::Selector) => selector(written.and_then(|written| written.selector.as_ref())),
        }
    }

    /// Whether `namespace` is one of them, seen from a Gateway in `home`.
    pub(super) fn contain(&self, world: &World, home: &str, namespace: &str) -> bool {
        match self {
            Self::Same => home == namespace,
            Self::All => true,
            Self::Labelled(selector) => {
                let known = world.namespaces.get(&Key::new("", namespace));
                known.is_some_and(|known| selector.matches(&known.metadata.labels.clone().unwrap_or_default()))
            }
        }
    }
}

fn selector(written: Option<&WrittenSelector>) -> Result<Namespaces, String> {
    let written = written.ok_or("missing, with from: Selector; allowed: matchLabels and matchExpressions")?;
    let requirements = written.match_expressions.iter().flatten().map(|expression| LabelSelectorRequirement {
        key: expression.key.clone(),
        operator: expression.operator.clone(),
        values: expression.values.clone(),
    });
    let selector =
        LabelSelector { match_expressions: Some(requirements.collect()), match_labels: written.match_labels.clone() };
    let wrong = |error| format!("{error}; allowed: the operators In, NotIn, Exists and DoesNotExist");
    Selector::try_from(selector).map(Namespaces::Labelled).map_err(wrong)
}

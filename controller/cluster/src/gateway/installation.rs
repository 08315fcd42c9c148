//! PURE. What an installation says of all its Gateways.

use std::collections::BTreeSet;

use super::parameters::Parameters;

/// What is the same for every Gateway.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Installation {
    /// How proxies are deployed unless a Gateway says otherwise.
    pub parameters: Parameters,
    /// The namespaces whose Secrets may be read. Others are not even asked for: the answer would be no, for ever.
    pub secret_namespaces: BTreeSet<String>,
}

//! PURE. Names of a Gateway's objects. A Gateway's name may be four times as long as that of a Service.

use std::collections::BTreeMap;
use std::hash::Hasher;

use siphasher::sip::SipHasher13;

/// The label by which the objects of a Gateway are found (Gateway API, `GatewayInfrastructure`).
pub const GATEWAY_LABEL: &str = "gateway.networking.k8s.io/gateway-name";

/// Prefixes of labels and annotations that mean something to us or to the API: on a Gateway's Service they would be taken
/// for the user's wish about that Service.
pub(super) const RESERVED: [&str; 2] = ["gateway.networking.k8s.io/", "tidegate.dev/"];

/// Bytes of a Service's name and of a label's value (RFC 1123 label).
const LABEL_BYTES_MAX: usize = 63;

/// The name of a Gateway's objects: `tidegate-GATEWAY` where a Service can be called so; else as much of it as fits, with a
/// hash of the whole.
pub fn object_name(gateway: &str) -> String {
    let whole = format!("tidegate-{gateway}");
    // A Gateway's name may have dots, a Service's may not.
    if whole.len() <= LABEL_BYTES_MAX && !gateway.contains('.') {
        whole
    } else {
        hashed(&whole.replace('.', "-"), gateway)
    }
}

/// The value of [`GATEWAY_LABEL`]: the Gateway's name, shortened with a hash if it must be.
pub fn label_value(gateway: &str) -> String {
    if gateway.len() <= LABEL_BYTES_MAX { gateway.to_owned() } else { hashed(gateway, gateway) }
}

/// The labels by which a Gateway's pods are chosen. They never change: a Deployment's selector cannot.
pub(super) fn selector(gateway: &str) -> BTreeMap<String, String> {
    let component = ("tidegate.dev/component".to_owned(), "proxy".to_owned());
    BTreeMap::from([component, (GATEWAY_LABEL.to_owned(), label_value(gateway))])
}

fn hashed(text: &str, gateway: &str) -> String {
    // Known keys on purpose: the name must come out the same for ever.
    let mut hasher = SipHasher13::new_with_keys(0, 0);
    hasher.write(gateway.as_bytes());
    let hash = format!("{:016x}", hasher.finish());
    let head: String = text.chars().take(LABEL_BYTES_MAX - hash.len() - 1).collect();
    format!("{}-{hash}", head.trim_end_matches(['-', '.']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_and_differ() {
        assert_eq!(object_name("web"), "tidegate-web");
        assert_eq!(object_name(&"a".repeat(54)), format!("tidegate-{}", "a".repeat(54)));
        let long = format!("{}b", "a".repeat(252));
        let names = [
            object_name(&"a".repeat(55)),
            object_name(&"a".repeat(253)),
            object_name(&long),
            object_name("a.b"),
            object_name("a-b"),
            object_name(&format!("{}.{}", "a".repeat(36), "b".repeat(200))),
            label_value(&long),
            label_value(&"a".repeat(253)),
        ];
        for (i, name) in names.iter().enumerate() {
            assert!(name.len() <= 63 && !names[..i].contains(name), "{name}");
            assert!(name.parse::<tidegate_config::Name>().is_ok(), "{name}");
            assert!(!name.contains("--") && (!name.contains('.') || name.starts_with('a')), "{name}");
        }
        assert_eq!(label_value("a.b"), "a.b");
        // Changing this orphans the objects of running Gateways.
        assert_eq!(object_name("a.b"), "tidegate-a-b-d8adf075c6f6f6be");
    }
}

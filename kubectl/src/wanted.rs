//! PURE. How people name a rollout: by its object, or by the Service that it is of.

use std::fmt;
use std::str::FromStr;

use kube::core::DynamicObject;
use serde_json::Value;

/// The words for Rollouts.
const ROLLOUTS: [&str; 5] = ["rollout", "rollouts", "tgr", "rollout.tidegate.dev", "rollouts.tidegate.dev"];
/// The words for Services.
const SERVICES: [&str; 3] = ["svc", "service", "services"];
/// Bytes of a name: the API's limit.
const NAME_BYTES_MAX: usize = 253;

/// A rollout as somebody names it. A name alone is that of a Rollout, and where there is no such, of a Service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// The kind that is named with it.
    kind: Option<Kind>,
    /// The name.
    pub(crate) name: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Rollout,
    Service,
}

/// A text that names no rollout.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("names no rollout; allowed: NAME, rollout/NAME or svc/NAME, of lower-case letters, digits, `-` and `.`")]
pub(crate) struct NoName;

impl FromStr for Wanted {
    type Err = NoName;

    fn from_str(text: &str) -> Result<Self, NoName> {
        let (kind, name) = match text.split_once('/') {
            None => (None, text),
            Some((kind, name)) if ROLLOUTS.contains(&kind) => (Some(Kind::Rollout), name),
            Some((kind, name)) if SERVICES.contains(&kind) => (Some(Kind::Service), name),
            Some(_) => return Err(NoName),
        };
        let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.');
        let edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
        let bytes = name.as_bytes();
        let fits = bytes.len() <= NAME_BYTES_MAX && bytes.iter().all(|byte| inner(*byte));
        let fits = fits && edge(bytes.first()) && edge(bytes.last());
        fits.then(|| Self { kind, name: name.to_owned() }).ok_or(NoName)
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            Some(Kind::Service) => write!(f, "Rollout of Service {}", self.name),
            _ => write!(f, "Rollout {}", self.name),
        }
    }
}

impl Wanted {
    /// Whether the object of this name is it.
    pub(crate) fn is(&self, named: &DynamicObject) -> bool {
        self.kind != Some(Kind::Service) || service(named) == Some(&self.name)
    }

    /// The one of a Service, of several objects: one that is worked on before one that is not.
    pub(crate) fn among<'a>(&self, objects: &'a [DynamicObject]) -> Option<&'a DynamicObject> {
        if self.kind == Some(Kind::Rollout) {
            return None;
        }
        let of_it = || objects.iter().filter(|object| service(object) == Some(&self.name));
        of_it().find(|object| idle(object).is_none()).or_else(|| of_it().next())
    }
}

/// The Service that an object is for.
pub(crate) fn service(object: &DynamicObject) -> Option<&str> {
    object.data.pointer("/spec/service").and_then(Value::as_str)
}

/// Why no controller works on an object: another one is for the same workload, or it never said anything that could be done.
pub(crate) fn idle(object: &DynamicObject) -> Option<&str> {
    let conditions = object.data.pointer("/status/conditions").and_then(Value::as_array)?;
    let condition =
        |about: &str, status: &str| conditions.iter().find(|it| it["type"] == about && it["status"] == status);
    let never = object.data.pointer("/status/record").is_none();
    let refused = condition("Accepted", "False").filter(|it| never || it["reason"] == "RecordUnreadable");
    condition("Conflicted", "True").or(refused)?["message"].as_str()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(name: &str, service: &str, conflicted: &str) -> DynamicObject {
        let conditions = json!([{"type": "Conflicted", "status": conflicted, "message": "because"}]);
        let object = json!({
            "metadata": {"name": name},
            "spec": {"service": service},
            "status": {"conditions": conditions},
        });
        serde_json::from_value(object).unwrap()
    }

    #[test]
    fn names_are_read() {
        for (text, kind, name) in [
            ("shop", None, "shop"),
            ("shop.v2", None, "shop.v2"),
            ("rollout/shop", Some(Kind::Rollout), "shop"),
            ("tgr/shop", Some(Kind::Rollout), "shop"),
            ("svc/shop", Some(Kind::Service), "shop"),
        ] {
            assert_eq!(text.parse(), Ok(Wanted { kind, name: name.to_owned() }), "{text}");
        }
        for text in ["", "svc/", "pod/shop", "a/b/c", "Shop", "../shop", "shop?watch=1", "-shop", "shop.", "a b"] {
            assert_eq!(text.parse::<Wanted>(), Err(NoName), "{text}");
        }
    }

    #[test]
    fn a_service_is_found_by_its_name() {
        let objects = [object("a", "shop", "True"), object("b", "shop", "False"), object("c", "cart", "True")];
        for (text, found) in [
            ("svc/shop", Some("b")),
            ("shop", Some("b")),
            ("svc/cart", Some("c")),
            ("rollout/shop", None),
            ("no", None),
        ] {
            let wanted: Wanted = text.parse().unwrap();
            assert_eq!(wanted.among(&objects).and_then(|it| it.metadata.name.as_deref()), found, "{text}");
        }
        for (text, is) in [("svc/shop", false), ("svc/cart", true), ("c", true), ("rollout/c", true)] {
            assert_eq!(text.parse::<Wanted>().unwrap().is(&objects[2]), is, "{text}");
        }
    }
}

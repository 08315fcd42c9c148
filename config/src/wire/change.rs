//! What differs between two publications, by service, and how one is made of the other.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::name::Name;
use crate::publication::{Key, Publication, Split};
use crate::service::Service;

/// What makes the publication of one generation that of another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Change {
    /// The generation that it changes.
    pub builds_on: u64,
    /// The generation that it makes.
    pub generation: u64,
    /// The key of the cookies, where it is another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cookie_key: Option<Key>,
    /// All of the configuration but its services (it has none here), where any of it is different.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<Config>,
    /// Services that are new or different; `null`: gone.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub services: BTreeMap<Name, Option<Service>>,
    /// Splits that are new or different; `null`: gone.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub splits: BTreeMap<Name, Option<Split>>,
}

/// Why a change does not fit the publication it came after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unfit {
    /// It changes another generation.
    BuildsOn {
        /// The one it changes.
        wanted: u64,
        /// The one there is.
        there: u64,
    },
    /// It does not lead to a later generation.
    NotLater {
        /// The one it leads to.
        generation: u64,
    },
    /// It takes something away that is not there.
    Unknown {
        /// Its place.
        path: String,
    },
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BuildsOn { wanted, there } => {
                write!(f, "change.buildsOn: a change of generation {wanted}; allowed: {there}, the one before it")
            }
            Self::NotLater { generation } => {
                write!(f, "change.generation: {generation} is not later; allowed: one above change.buildsOn")
            }
            Self::Unknown { path } => write!(f, "change.{path}: removed, but not there; allowed: what was sent before"),
        }
    }
}

impl std::error::Error for Unfit {}

/// What makes `new` of `old`.
pub fn difference(old: &Publication, new: &Publication) -> Change {
    let Publication { generation, cookie_key, config, splits } = new;
    let same_config = Arc::ptr_eq(&old.config, config);
    let services = if same_config { BTreeMap::new() } else { entries_changed(&old.config.services, &config.services) };
    let frame = !same_config && !same_frame(&old.config, config);
    Change {
        builds_on: old.generation,
        generation: *generation,
        cookie_key: (old.cookie_key != *cookie_key).then_some(*cookie_key),
        config: frame.then(|| Config { services: BTreeMap::new(), ..Config::clone(config) }),
        services,
        splits: entries_changed(&old.splits, splits),
    }
}

/// Makes a publication of the one before. Where the configuration is the same, it is the same value.
pub fn apply(old: &Publication, change: Change) -> Result<Publication, Unfit> {
    let Change { builds_on, generation, cookie_key, config: frame, services, splits } = change;
    if builds_on != old.generation {
        return Err(Unfit::BuildsOn { wanted: builds_on, there: old.generation });
    }
    if generation <= builds_on {
        return Err(Unfit::NotLater { generation });
    }
    let config = if frame.is_none() && services.is_empty() {
        Arc::clone(&old.config)
    } else {
        let mut config = match frame {
            Some(frame) => Config { services: old.config.services.clone(), ..frame },
            None => Config::clone(&old.config),
        };
        enter(&mut config.services, services, "services")?;
        Arc::new(config)
    };
    let mut all = old.splits.clone();
    enter(&mut all, splits, "splits")?;
    Ok(Publication { generation, cookie_key: cookie_key.unwrap_or(old.cookie_key), config, splits: all })
}

/// Whether two configurations are the same but for their services.
fn same_frame(one: &Config, other: &Config) -> bool {
    fn frame(config: &Config) -> impl PartialEq {
        let Config { listeners, admin, workers, access_log, routes, services: _, timeouts, limits } = config;
        (listeners, admin, workers, access_log, routes, timeouts, limits)
    }
    frame(one) == frame(other)
}

fn entries_changed<T: Clone + PartialEq>(
    old: &BTreeMap<Name, T>,
    new: &BTreeMap<Name, T>,
) -> BTreeMap<Name, Option<T>> {
    let gone = old.keys().filter(|name| !new.contains_key(name)).map(|name| (name.clone(), None));
    let set = new.iter().filter(|(name, value)| old.get(name) != Some(value));
    gone.chain(set.map(|(name, value)| (name.clone(), Some(value.clone())))).collect()
}

fn enter<T>(all: &mut BTreeMap<Name, T>, changes: BTreeMap<Name, Option<T>>, place: &str) -> Result<(), Unfit> {
    for (name, value) in changes {
        match value {
            Some(value) => drop(all.insert(name, value)),
            None if all.remove(&name).is_none() => return Err(Unfit::Unknown { path: format!("{place}.{name}") }),
            None => {}
        }
    }
    Ok(())
}

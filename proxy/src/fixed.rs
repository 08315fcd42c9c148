//! PURE. The publication of a configuration file without rollouts, for a proxy that has no controller: shares are what the
//! file says.

use std::collections::BTreeMap;
use std::sync::Arc;

use tidegate_config::{Config, Key, Problems, Publication, Share, Split};

/// The publication of a file. What was `kept` of an earlier run goes on: keys and salts, so that visitors stay where they
/// are, and the epochs of shares that are still the same. `draw` makes new keys.
pub fn publication(
    config: Config,
    kept: Option<&Publication>,
    mut draw: impl FnMut() -> Key,
) -> Result<Publication, Problems> {
    let mut problems = Problems::default();
    let mut splits = BTreeMap::new();
    for (name, service) in &config.services {
        let Some(stable) = service.stable_name() else { continue };
        if service.rollout.is_some() {
            let allowed = "none: a proxy moves no shares; name fixed ones (versions.NAME.share), or use `tidegate run`";
            problems.add(format!("services.{name}.rollout"), "a rollout, which needs a controller", allowed);
        }
        let versions: Vec<_> = service.versions.keys().cloned().collect();
        let share = |version: &_| service.versions.get(version).map_or(Share::ZERO, |version| version.share);
        let arms = Split::lay_out(&versions, stable, [], Share::ZERO, share);
        let known = kept.and_then(|kept| kept.splits.get(name));
        let epoch = known.map_or(1, |known| if known.arms == arms { known.epoch } else { known.epoch + 1 });
        let salt = known.map_or_else(&mut draw, |known| known.salt);
        let stable = stable.clone();
        splits.insert(name.clone(), Split::fixed(epoch, salt, arms, stable));
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let generation = kept.map_or(1, |kept| kept.generation + 1);
    let cookie_key = kept.map_or_else(draw, |kept| kept.cookie_key);
    Ok(Publication { generation, cookie_key, config: Arc::new(config), splits })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(share: &str, more: &str) -> Config {
        let text = format!(
            "{{listeners: [{{address: '127.0.0.1:1'}}], routes: [{{service: s}}], services: {{s: {{stable: a, {more} \
               versions: {{a: {{endpoints: ['127.0.0.1:2']}}, b: {{endpoints: ['127.0.0.1:3'], share: {share}}}}}}}}}}}"
        );
        Config::parse(&text).unwrap()
    }

    #[test]
    fn visitors_stay_where_they_are_over_restarts() {
        let mut drawn = 0;
        let mut draw = || {
            drawn += 1;
            Key([drawn; 16])
        };
        let mut kept: Option<Publication> = None;
        for (share, generation, epoch, ppm) in [("10%", 1, 1, 100_000), ("10%", 2, 1, 100_000), ("20%", 3, 2, 200_000)]
        {
            let next = publication(file(share, ""), kept.as_ref(), &mut draw).unwrap();
            let split = next.splits.values().next().unwrap();
            assert_eq!((next.generation, split.epoch, split.arms[0].share.ppm()), (generation, epoch, ppm));
            assert_eq!((split.salt, next.cookie_key), (Key([1; 16]), Key([2; 16])));
            assert_eq!(next.check(), Ok(()));
            kept = Some(next);
        }
    }

    #[test]
    fn a_rollout_is_refused() {
        let config = file("0%", "canary: b, rollout: {strategy: canary},");
        let problems = publication(config, None, || Key([0; 16])).unwrap_err();
        assert_eq!(problems.iter().map(|it| &*it.path).collect::<Vec<_>>(), ["services.s.rollout"]);
    }
}

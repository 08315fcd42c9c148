//! The configuration of the demo: an ordinary file, of which only the addresses are replaced.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tidegate_config::{Address, Config, Name, Problems};

use super::scenario::VERSIONS;

/// The file.
pub(crate) const FILE: &str = include_str!("demo.yaml");
/// The service in it.
pub(crate) const SERVICE: &str = "shop";

/// Any free port on loopback.
pub(crate) const FREE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// The file with the versions at `shop`, and free ports for everything else.
pub(crate) fn config(shop: [SocketAddr; 2]) -> Result<Arc<Config>, Problems> {
    let mut config = Config::parse(FILE)?;
    config.listeners.iter_mut().for_each(|listener| listener.address = FREE);
    config.admin.address = FREE;
    for service in config.services.values_mut() {
        for (name, address) in VERSIONS.iter().zip(shop) {
            let version = service.versions.iter_mut().find(|(known, _)| known.as_str() == *name);
            if let Some((_, version)) = version {
                version.endpoints = vec![Address::Ip(address)];
            }
        }
    }
    Ok(Arc::new(config))
}

/// The service's name as the controller knows it.
pub(crate) fn is_the_shop(name: &Name) -> bool {
    name.as_str() == SERVICE
}

/// How the canary is rolled out, as the file says it.
pub(crate) fn rollout() -> impl Iterator<Item = &'static str> {
    FILE.lines().skip_while(|line| line.trim() != "rollout:").map(|line| line.get(4..).unwrap_or(line))
}

#[cfg(test)]
mod tests {
    use tidegate_config::{Share, Span};

    use super::*;

    #[test]
    fn the_file_is_an_ordinary_one_that_says_what_the_demo_promises() {
        let shop = ["127.0.0.1:1", "127.0.0.1:2"].map(|address| address.parse().unwrap());
        let config = config(shop).unwrap();
        let (name, service) = config.services.iter().next().unwrap();
        assert!(is_the_shop(name));
        assert_eq!(service.stable_name().map(Name::as_str), Some(VERSIONS[0]));
        assert_eq!(service.canary.as_ref().map(Name::as_str), Some(VERSIONS[1]));
        for (version, address) in VERSIONS.iter().zip(shop) {
            assert_eq!(service.versions[&version.parse().unwrap()].endpoints, [Address::Ip(address)]);
        }
        let policy = service.rollout.as_ref().unwrap();
        let shares: Vec<Share> = policy.steps().iter().map(|step| step.share).collect();
        assert_eq!(shares, ["10%", "50%", "100%"].map(|share| share.parse().unwrap()));
        assert_eq!((policy.soak, policy.warm_up), (Span::from_secs(10), Span::ZERO));
        assert_eq!((policy.deadline, policy.scrape_interval), (Span::from_secs(110), Some(Span::from_secs(1))));
        assert_eq!(policy.max_harm.to_string(), "0.5%");
    }

    #[test]
    fn the_policy_can_be_shown_by_itself() {
        let lines: Vec<_> = rollout().collect();
        assert_eq!(lines[0], "rollout:");
        assert!(lines.contains(&"  deadline: 110s"), "{lines:?}");
    }
}

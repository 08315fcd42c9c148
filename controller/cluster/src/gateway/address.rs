//! PURE. The addresses that a Gateway asks for (`Gateway.spec.addresses`) and those that its Service has.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use gateway_api::gateways::{GatewayAddresses, GatewayStatusAddresses};
use k8s_openapi::api::core::v1::Service;
use tidegate_config::Malformed;

/// A range of addresses in CIDR notation: `10.96.0.0/12`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    first: IpAddr,
    bits: u8,
}

impl Range {
    /// Whether an address is in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.first, address) {
            (IpAddr::V4(first), IpAddr::V4(address)) => {
                let host = 32 - u32::from(self.bits);
                first.to_bits().checked_shr(host) == address.to_bits().checked_shr(host)
            }
            (IpAddr::V6(first), IpAddr::V6(address)) => {
                let host = 128 - u32::from(self.bits);
                first.to_bits().checked_shr(host) == address.to_bits().checked_shr(host)
            }
            _ => false,
        }
    }
}

impl FromStr for Range {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        let malformed = || Malformed::new(text, "is not a range of addresses", "CIDR notation such as 10.96.0.0/12");
        let (first, bits) = text.split_once('/').ok_or_else(malformed)?;
        let first: IpAddr = first.parse().map_err(|_| malformed())?;
        let most = if first.is_ipv4() { 32 } else { 128 };
        let bits = bits.parse().ok().filter(|bits| *bits <= most).ok_or_else(malformed)?;
        Ok(Self { first, bits })
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.bits)
    }
}

/// What a Gateway asks for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Asked {
    /// The addresses it names; none: any will do.
    pub addresses: Vec<IpAddr>,
}

impl Asked {
    /// Reads `spec.addresses`; the error names the first that is of another kind than IP addresses.
    pub(super) fn parse(written: Option<&[GatewayAddresses]>) -> Result<Self, String> {
        let mut addresses = Vec::new();
        for (i, GatewayAddresses { r#type, value }) in written.unwrap_or_default().iter().enumerate() {
            let kind = r#type.as_deref().unwrap_or("IPAddress");
            if kind != "IPAddress" {
                return Err(format!("spec.addresses[{i}].type: {kind} is not supported; allowed: IPAddress"));
            }
            let Some(value) = value.as_deref().filter(|value| !value.is_empty()) else { continue };
            let address: IpAddr = value.parse().map_err(|_| {
                format!("spec.addresses[{i}].value: \"{value}\" is not an IP address; allowed: for example 10.96.0.9")
            })?;
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        Ok(Self { addresses })
    }

    /// The address that becomes the Service's `clusterIP`: the first that is in a range of Service addresses.
    pub(super) fn cluster_ip(&self, ranges: &[Range]) -> Option<IpAddr> {
        self.addresses.iter().copied().find(|address| ranges.iter().any(|range| range.contains(*address)))
    }

    /// The address that a load balancer is asked for: the first that is in none.
    pub(super) fn load_balancer_ip(&self, ranges: &[Range]) -> Option<IpAddr> {
        self.addresses.iter().copied().find(|address| !ranges.iter().any(|range| range.contains(*address)))
    }
}

/// An address as a Gateway's status has it.
pub fn address(value: &str) -> GatewayStatusAddresses {
    let kind = if value.parse::<IpAddr>().is_ok() { "IPAddress" } else { "Hostname" };
    GatewayStatusAddresses { r#type: Some(kind.to_owned()), value: value.to_owned() }
}

/// Where clients reach a Gateway's Service: what its load balancer says, else its cluster address. A load balancer that
/// has said nothing has no address, unless the cluster address is the one that was asked for.
pub fn addresses(service: &Service, asked: &Asked) -> Vec<GatewayStatusAddresses> {
    let ingress = service.status.iter().filter_map(|status| status.load_balancer.as_ref()?.ingress.as_ref()).flatten();
    let balanced = ingress.filter_map(|ingress| ingress.ip.as_deref().or(ingress.hostname.as_deref()));
    let mut found: Vec<&str> = balanced.collect();
    let spec = service.spec.as_ref();
    let own = spec.and_then(|spec| spec.cluster_ip.as_deref()).filter(|own| own.parse::<IpAddr>().is_ok());
    let outside = spec.and_then(|spec| spec.type_.as_deref()) == Some("LoadBalancer");
    let is_asked = |own: &&str| asked.addresses.iter().any(|asked| own.parse() == Ok(*asked));
    found.extend(own.filter(|own| if outside { is_asked(own) } else { found.is_empty() }));
    found.into_iter().map(address).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_hold_their_addresses() {
        for (range, address, inside) in [
            ("10.96.0.0/12", "10.96.0.1", true),
            ("10.96.0.0/12", "10.111.255.255", true),
            ("10.96.0.0/12", "10.112.0.0", false),
            ("10.96.0.0/12", "fd00::1", false),
            ("10.96.0.9/32", "10.96.0.9", true),
            ("0.0.0.0/0", "10.96.0.9", true),
            ("::/0", "fd00::1", true),
            ("fd00::/108", "fd00::f:ffff", true),
            ("fd00::/108", "fd00::10:0", false),
        ] {
            let range: Range = range.parse().unwrap();
            assert_eq!(range.contains(address.parse().unwrap()), inside, "{address} in {range}");
        }
        for bad in ["10.0.0.0", "10.0.0.0/33", "x/8", "10.0.0.0/-1"] {
            assert!(bad.parse::<Range>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_service_says_where_it_is() {
        let asked = Asked { addresses: vec!["10.96.0.9".parse().unwrap()] };
        for (service, asked, found) in [
            ("spec: {type: ClusterIP, clusterIP: 10.96.0.9}", Asked::default(), &["10.96.0.9"][..]),
            ("spec: {type: LoadBalancer, clusterIP: 10.96.0.9}", Asked::default(), &[]),
            ("spec: {type: LoadBalancer, clusterIP: 10.96.0.9}", asked, &["10.96.0.9"]),
            (
                "spec: {type: LoadBalancer, clusterIP: 10.96.0.9}\nstatus: {loadBalancer: {ingress: [{ip: 192.0.2.1}, {hostname: a.example}]}}",
                Asked::default(),
                &["192.0.2.1", "a.example"],
            ),
            ("spec: {clusterIP: None}", Asked::default(), &[]),
        ] {
            let parsed: Service = serde_saphyr::from_str(service).unwrap();
            let values: Vec<String> = addresses(&parsed, &asked).into_iter().map(|address| address.value).collect();
            assert_eq!(values, found, "{service}");
        }
    }
}

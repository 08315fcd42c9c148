//! What an installation gives to all of its sidecars.

use tidegate_config::Problems;

use crate::quantity::Quantity;

/// What the sidecar is and what it is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InjectionOptions {
    /// The image of `tidegate-proxy`.
    pub image: String,
    /// Where the controller serves configurations: `https://tidegate-controller.tidegate-system.svc:8443`.
    pub controller: String,
    /// The certificates (PEM) of the authority that signed the controller's certificate.
    pub ca: String,
    /// For whom the sidecar's token is made out. Default `tidegate`.
    pub audience: String,
    /// What it asks for and may use.
    pub resources: Resources,
}

/// CPU and memory of the sidecar. Each has a request and a limit: an autoscaler cannot measure a pod with a container that
/// asks for no CPU, and a quota refuses it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resources {
    cpu: (Quantity, Quantity),
    memory: (Quantity, Quantity),
}

impl InjectionOptions {
    /// The audience of a sidecar's token.
    pub const AUDIENCE: &str = "tidegate";

    /// What is wrong with the options. A sidecar made of wrong ones would be refused with its pod, or never serve.
    pub fn problems(&self) -> Problems {
        let Self { image, controller, ca, audience, resources: _ } = self;
        let mut problems = Problems::default();
        if image.trim().is_empty() || image.contains(char::is_whitespace) {
            problems.add(
                "image",
                format!("\"{image}\" is no image"),
                "the name of an image, like tidegate-proxy:0.1.0",
            );
        }
        if !controller
            .strip_prefix("https://")
            .is_some_and(|rest| !rest.is_empty() && !rest.contains(char::is_whitespace))
        {
            problems.add("controller", format!("\"{controller}\" is no address"), "https://HOST:PORT");
        }
        if !ca.contains("-----BEGIN CERTIFICATE-----") {
            problems.add("ca", "holds no certificate", "one or more certificates, PEM");
        }
        if audience.is_empty() {
            problems.add("audience", "is empty", "the audience that the controller accepts, like tidegate");
        }
        problems
    }
}

impl Resources {
    /// The default of CPU: request and limit.
    pub const CPU: (&str, &str) = ("50m", "1");
    /// The default of memory: three times what an idle sidecar has, and room for thousands of connections.
    pub const MEMORY: (&str, &str) = ("32Mi", "256Mi");

    /// Requests and limits.
    pub fn new(cpu: (Quantity, Quantity), memory: (Quantity, Quantity)) -> Result<Self, Problems> {
        let mut problems = Problems::default();
        for (name, (request, limit)) in [("cpu", &cpu), ("memory", &memory)] {
            if request.exceeds(limit) {
                problems.add(
                    format!("resources.requests.{name}"),
                    format!("{request} is more than the limit {limit}"),
                    format!("at most {limit}"),
                );
            }
        }
        if problems.is_empty() { Ok(Self { cpu, memory }) } else { Err(problems) }
    }

    /// CPU: request and limit.
    pub fn cpu(&self) -> &(Quantity, Quantity) {
        &self.cpu
    }

    /// Memory: request and limit.
    pub fn memory(&self) -> &(Quantity, Quantity) {
        &self.memory
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quantities(request: &str, limit: &str) -> (Quantity, Quantity) {
        (request.parse().unwrap(), limit.parse().unwrap())
    }

    #[test]
    fn a_request_above_its_limit_would_cost_every_pod() {
        assert!(Resources::new(quantities("50m", "1"), quantities("32Mi", "128Mi")).is_ok());
        let problems = Resources::new(quantities("2", "1"), quantities("32Mi", "32M")).unwrap_err().to_string();
        assert_eq!(
            problems,
            "resources.requests.cpu: 2 is more than the limit 1; allowed: at most 1\n\
             resources.requests.memory: 32Mi is more than the limit 32M; allowed: at most 32M"
        );
    }

    #[test]
    fn every_wrong_option_is_named() {
        let options = InjectionOptions {
            image: String::new(),
            controller: "http://a".to_owned(),
            ca: "none".to_owned(),
            audience: String::new(),
            resources: Resources::new(quantities("1m", "1"), quantities("1Mi", "1Mi")).unwrap(),
        };
        let paths: Vec<_> = options.problems().iter().map(|problem| problem.path.clone()).collect();
        assert_eq!(paths, ["image", "controller", "ca", "audience"]);
    }
}

//! PURE. The ways in which an application has versions, as manifests.

use clap::ValueEnum;

const APPLICATION: &str = include_str!("../application.yaml");
const WORKLOAD: &str = include_str!("../workload.yaml");

/// Where versions come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Way {
    /// One Deployment that is updated.
    InPlace,
    /// A Deployment for each version.
    Deployments,
    /// A stateful set for each version.
    StatefulSets,
}

/// How visitors reach it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Through {
    /// Through the Gateway.
    Gateway,
    /// Through the Service, and the sidecars of its pods.
    Sidecar,
}

impl Way {
    /// The name of the workload of a version, as `kubectl` takes it.
    pub(crate) fn workload(self, application: &str, version: u32) -> String {
        match self {
            Self::InPlace => format!("deployment/{application}"),
            Self::Deployments => format!("deployment/{application}-v{version}"),
            Self::StatefulSets => format!("statefulset/{application}-v{version}"),
        }
    }

    /// The manifest of the workload of a version.
    pub(crate) fn manifest(self, through: Through, application: &str, version: u32, fails: &str) -> String {
        let workload = self.workload(application, version);
        let (_, workload) = workload.split_once('/').unwrap_or_default();
        let (kind, updates) = match self {
            // Else their pods could not be held.
            Self::StatefulSets => {
                ("StatefulSet", format!("serviceName: {application}\n  podManagementPolicy: Parallel"))
            }
            _ => ("Deployment", "strategy: {rollingUpdate: {maxSurge: 100%, maxUnavailable: 0}}".to_owned()),
        };
        let label = if self == Self::InPlace { "all".to_owned() } else { format!("v{version}") };
        let filled = [
            ("KIND", kind),
            ("WORKLOAD", workload),
            ("UPDATES", updates.as_str()),
            ("LABEL", &label),
            ("INJECT", if through == Through::Sidecar { "true" } else { "false" }),
            ("VERSION\"", &format!("{version}\"")),
            ("FAILS\"", &format!("{fails}\"")),
            ("NAME", application),
        ];
        // Names of variables stay.
        let text = WORKLOAD.replace("SHOP_", "shop_");
        filled.iter().fold(text, |text, (word, value)| text.replace(word, value)).replace("shop_", "SHOP_")
    }
}

/// The objects of an application that stay from version to version. `policy` are fields of a Rollout's `spec`, in YAML.
pub(crate) fn application(name: &str, policy: &str) -> String {
    APPLICATION.replace("NAME", name).replace("POLICY", policy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manifests_are_filled_in() {
        for (way, name) in [
            (Way::InPlace, "deployment/a"),
            (Way::Deployments, "deployment/a-v7"),
            (Way::StatefulSets, "statefulset/a-v7"),
        ] {
            assert_eq!(way.workload("a", 7), name);
            let text = way.manifest(Through::Sidecar, "a", 7, "0.5");
            for part in ["{name: SHOP_VERSION, value: \"7\"}", "{name: SHOP_FAILS, value: \"0.5\"}", "inject: \"true\""]
            {
                assert!(text.contains(part), "{part}: {text}");
            }
            let left = text
                .lines()
                .skip(1)
                .find(|line| ["KIND", "WORKLOAD", "NAME", "LABEL"].iter().any(|it| line.contains(it)));
            assert_eq!(left, None);
        }
        assert!(application("a", "strategy: canary").contains("service: a\n  strategy: canary\n"));
    }
}

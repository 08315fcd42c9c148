//! PURE. What can go wrong, and what to do about it.

use tidegate_config::Span;

/// Why a command was not carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Failure {
    /// The kubeconfig.
    #[error("{0}")]
    Kubeconfig(String),
    /// There is no such context.
    #[error("the kubeconfig has no context `{name}`; allowed: {there}")]
    Context {
        /// Its name.
        name: String,
        /// Those that there are.
        there: String,
    },
    /// Who asks cannot be shown.
    #[error("no credentials for {server}: {why}")]
    Credentials {
        /// The API server.
        server: String,
        /// What is wrong.
        why: String,
    },
    /// Nothing answers.
    #[error("the API server {server} does not answer ({why}); is it the right one? `--context` names another")]
    Unreachable {
        /// The API server.
        server: String,
        /// What the system said.
        why: String,
    },
    /// The API server does not know who asks.
    #[error("the API server {server} does not accept your credentials; log in anew, or name others with `--context`")]
    Unauthorized {
        /// The API server.
        server: String,
    },
    /// It knows, and says no.
    #[error(
        "{said}; the ClusterRole tidegate-viewer lets people watch rollouts, tidegate-operator command them: \
         ask for one of them in namespace {namespace}"
    )]
    Forbidden {
        /// What it said.
        said: String,
        /// Where.
        namespace: String,
    },
    /// The cluster has no Rollouts.
    #[error(
        "the cluster {server} does not know Rollouts (tidegate.dev/v1alpha1); install Tidegate there (docs/helm.md), \
         or name another cluster with `--context`"
    )]
    NotInstalled {
        /// The API server.
        server: String,
    },
    /// There is no such rollout.
    #[error("there is no {wanted} in namespace {namespace}; {there}")]
    NotFound {
        /// What was asked for.
        wanted: String,
        /// Where.
        namespace: String,
        /// What is there, or how to find it.
        there: String,
    },
    /// It was there.
    #[error("Rollout {0} was deleted")]
    Gone(String),
    /// The API server refuses what was written.
    #[error("{0}")]
    Refused(String),
    /// Another answer of the API server, or none that is understood.
    #[error("the API server {server} says: {said}")]
    Server {
        /// The API server.
        server: String,
        /// What it said.
        said: String,
    },
    /// An object of another version.
    #[error(
        "Rollout {name} cannot be read ({why}): it is of another version of Tidegate; use the plugin of the version that \
         the controller has. `kubectl tidegate get` and commands work with any"
    )]
    Unreadable {
        /// The object.
        name: String,
        /// The field, and what is wrong with it.
        why: String,
    },
    /// No controller has told anything of it.
    #[error("nothing is known of Rollout {name} yet: {why}")]
    Unknown {
        /// The object.
        name: String,
        /// Why.
        why: String,
    },
    /// The object is written so often that nobody else can.
    #[error("Rollout {0} was changed by others whenever it was to be written; try again")]
    Busy(String),
    /// The controller says no.
    #[error("{0}")]
    Denied(String),
    /// Another command came before the controller had seen this one.
    #[error(
        "{by} has commanded `{command}` before a controller saw yours; `kubectl tidegate history {name}` tells what was done"
    )]
    Replaced {
        /// The object.
        name: String,
        /// The other command.
        command: String,
        /// Whose it is.
        by: String,
    },
    /// The controller does not work on this object.
    #[error("Rollout {name} does nothing: {why}")]
    Idle {
        /// The object.
        name: String,
        /// Why.
        why: String,
    },
    /// Nobody answers a command.
    #[error(
        "no controller has answered within {within}. The command stays written, and is carried out when one comes. Is one \
         running? `kubectl get pods -A -l app.kubernetes.io/name=tidegate` shows it. To take the command back: \
         `kubectl annotate rollouts.tidegate.dev {name} -n {namespace} tidegate.dev/command-`"
    )]
    NoAnswer {
        /// The object.
        name: String,
        /// Where.
        namespace: String,
        /// How long was waited.
        within: Span,
    },
    /// No chance is left: the machine has none.
    #[error("the machine gives no random numbers")]
    Chance,
}

impl Failure {
    /// Whether an object is of another version.
    pub(crate) fn is_unreadable(&self) -> bool {
        matches!(self, Self::Unreadable { .. })
    }
}

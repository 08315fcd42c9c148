//! The way to the API server: whose credentials, which cluster, which namespace.
//!
//! What a kubeconfig holds and what an exec plugin prints may be secret, so no error repeats any of it.

use std::env;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::{Client, Config};

use crate::failure::Failure;

/// Longest wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Which cluster, as whom, and where in it.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Cluster")]
pub(crate) struct Target {
    /// The namespace; without it the context's
    #[arg(short, long, global = true, value_name = "NAME")]
    pub(crate) namespace: Option<String>,
    /// The context of the kubeconfig; without it the current one
    #[arg(long, global = true, value_name = "NAME")]
    context: Option<String>,
    /// The kubeconfig; without it KUBECONFIG, then ~/.kube/config
    #[arg(long, global = true, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Act as another user, if you may
    #[arg(long = "as", global = true, value_name = "USER")]
    as_user: Option<String>,
    /// And as a member of a group; may be repeated
    #[arg(long, global = true, value_name = "GROUP", requires = "as_user")]
    as_group: Vec<String>,
}

/// A connection, before anything is asked.
pub(crate) struct Connection {
    pub(crate) client: Client,
    /// The API server's address, for errors.
    pub(crate) server: String,
    /// The namespace that is meant.
    pub(crate) namespace: String,
}

/// Makes a client of what a target says.
pub(crate) async fn connect(target: &Target) -> Result<Connection, Failure> {
    let mut config = config(target).await?;
    config.connect_timeout = Some(CONNECT_TIMEOUT);
    // It would try for minutes without a word; what is watched is tried again in `watch`.
    config.default_retry = false;
    if target.as_user.is_some() {
        config.auth_info.impersonate.clone_from(&target.as_user);
        config.auth_info.impersonate_groups = Some(target.as_group.clone());
    }
    let server = config.cluster_url.to_string().trim_end_matches('/').to_owned();
    let namespace = target.namespace.clone().unwrap_or_else(|| config.default_namespace.clone());
    let client = Client::try_from(config).map_err(|error| without_secrets(&server, &error))?;
    Ok(Connection { client, server, namespace })
}

async fn config(target: &Target) -> Result<Config, Failure> {
    let read = match &target.kubeconfig {
        Some(path) => Kubeconfig::read_from(path),
        None => Kubeconfig::read(),
    };
    let kubeconfig = match read {
        Ok(kubeconfig) => kubeconfig,
        // In a pod there is none, and none is needed.
        Err(error) => {
            let chosen = target.kubeconfig.is_some() || target.context.is_some() || env::var_os("KUBECONFIG").is_some();
            return Config::incluster().ok().filter(|_| !chosen).ok_or_else(|| unusable(&error));
        }
    };
    let there: Vec<_> = kubeconfig.contexts.iter().map(|context| context.name.as_str()).collect();
    let there = if there.is_empty() { "none is in it".to_owned() } else { there.join(", ") };
    let name = target.context.clone().or_else(|| kubeconfig.current_context.clone()).unwrap_or_default();
    if name.is_empty() {
        let why = format!("the kubeconfig names no current context; give one with `--context`; allowed: {there}");
        return Err(Failure::Kubeconfig(why));
    }
    if !kubeconfig.contexts.iter().any(|context| context.name == name) {
        return Err(Failure::Context { name, there });
    }
    let options = KubeConfigOptions { context: Some(name), ..KubeConfigOptions::default() };
    Config::from_custom_kubeconfig(kubeconfig, &options).await.map_err(|error| unusable(&error))
}

/// What is wrong with a kubeconfig.
fn unusable(error: &KubeconfigError) -> Failure {
    const ALLOWED: &str =
        "allowed: one that `kubectl config view` shows, by `--kubeconfig`, KUBECONFIG or ~/.kube/config";
    let at = |path: &Path| path.display().to_string();
    Failure::Kubeconfig(match error {
        KubeconfigError::ReadConfig(why, path) => {
            format!("the kubeconfig {} cannot be read: {why}; {ALLOWED}", at(path))
        }
        // The parser shows the line that it could not read.
        KubeconfigError::Parse(why) => {
            let place = why.location().map(|at| format!(" in line {}, column {}", at.line(), at.column()));
            format!("the kubeconfig is no YAML of its kind{}; {ALLOWED}", place.unwrap_or_default())
        }
        KubeconfigError::LoadClusterOfContext(name) => format!("the kubeconfig: context has no cluster `{name}`"),
        KubeconfigError::LoadContext(name) => format!("the kubeconfig has no context `{name}`"),
        KubeconfigError::LoadCertificateAuthority(_) => {
            "the kubeconfig: certificate-authority cannot be read".to_owned()
        }
        KubeconfigError::LoadClientCertificate(_) => "the kubeconfig: client-certificate cannot be read".to_owned(),
        KubeconfigError::LoadClientKey(_) => "the kubeconfig: client-key cannot be read".to_owned(),
        KubeconfigError::ParseClusterUrl(_) | KubeconfigError::MissingClusterUrl => {
            "the kubeconfig: the cluster's `server` is no address; allowed: https://HOST:PORT".to_owned()
        }
        KubeconfigError::ParseProxyUrl(_) => "the kubeconfig: `proxy-url` is no address".to_owned(),
        _ => format!("the kubeconfig cannot be used; {ALLOWED}"),
    })
}

/// What kube says of an exchange that came to nothing, as far as it holds no secret.
pub(crate) fn without_secrets(server: &str, error: &kube::Error) -> Failure {
    use kube::client::AuthError;
    let server = server.to_owned();
    let why = match error {
        kube::Error::Auth(AuthError::AuthExecRun { status, out, .. }) => {
            let told = String::from_utf8_lossy(&out.stderr);
            let told = told.lines().next().unwrap_or_default();
            format!("the plugin that the kubeconfig names for them ended with {status}: {told}")
        }
        kube::Error::Auth(AuthError::AuthExecStart(why)) => {
            format!("the plugin that the kubeconfig names for them cannot be started: {why}")
        }
        kube::Error::Auth(AuthError::ReadTokenFile(why, path)) => {
            format!("the token in {} cannot be read: {why}", path.display())
        }
        kube::Error::Auth(_) => "the kubeconfig's, or what its plugin gives, are of no use".to_owned(),
        kube::Error::Service(why) => return Failure::Unreachable { server, why: innermost(&**why) },
        kube::Error::HyperError(why) => return Failure::Unreachable { server, why: innermost(why) },
        kube::Error::ReadEvents(why) => return Failure::Unreachable { server, why: why.to_string() },
        kube::Error::ProxyProtocolUnsupported { .. } | kube::Error::ProxyProtocolDisabled { .. } => {
            return Failure::Kubeconfig(
                "the kubeconfig: `proxy-url` is of a kind that is not spoken; allowed: http".into(),
            );
        }
        kube::Error::SerdeError(_) => {
            return Failure::Server { server, said: "something that is no answer".to_owned() };
        }
        _ => return Failure::Server { server, said: "nothing that could be used".to_owned() },
    };
    Failure::Credentials { server, why }
}

/// The innermost cause of an error.
fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    error.source().map_or_else(|| error.to_string(), innermost)
}

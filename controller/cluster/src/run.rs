//! A replica of the controller: it keeps the world, tells proxies what follows from it, and, where it leads, brings the
//! cluster's objects to what they should be.

mod effects;
mod health;
mod jobs;
mod known;
mod picture;
mod rollouts;
mod scale;
mod tell;
mod trust;
mod undo;
mod webhook;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use gateway_api::experimental::httproutes::HttpRoute;
use gateway_api::gatewayclasses::GatewayClass;
use gateway_api::gateways::Gateway;
use gateway_api::referencegrants::ReferenceGrant;
use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet, StatefulSet};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Namespace, Node, Pod, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::Client;
use kube::core::DeserializeGuard;
use tidegate_config::limits::{ADMISSION_MILLISECONDS, WEBHOOK_LINGER_SECONDS};
use tidegate_config::wire::Acknowledgement;
use tidegate_config::{Malformed, Problems};
use tidegate_inject::Resources;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::authority_secret::{AuthorityError, authorities};
use crate::ca::{CaError, Leaf};
use crate::distribute::{Acknowledged, Distribution, Identity, JwkSet, Tokens};
use crate::events::{self, Events};
use crate::feeds::Feeds;
use crate::gateway::{Installation, Range};
use crate::issuer::{IssuerError, follow_keys, issuer};
use crate::keys::{KeysError, keys};
use crate::leader::stand;
use crate::reflect::{Keeper, Kept, Scope};
use crate::rollout_object::Rollout;
use known::Sidecars;
use webhook::Webhook;

/// How often certificates are looked after.
const RENEWAL: Duration = Duration::from_hours(1);
/// How long API servers are answered after the end has come: until they ask another replica.
const LINGER: Duration = Duration::from_secs(WEBHOOK_LINGER_SECONDS as u64);

/// What is spoken under our certificate: with proxies HTTP/2 alone, API servers prefer HTTP/1.1.
const PROTOCOLS: [&str; 2] = ["h2", "http/1.1"];
/// The Service by which API servers find the webhook (`deploy/helm/tidegate/templates/services.yaml`).
const WEBHOOK: &str = "tidegate-webhook";

/// What an installation says of itself.
#[derive(Debug, Clone)]
pub struct Options {
    /// The controller's own namespace.
    pub namespace: String,
    /// Tells this replica from others: its pod's name.
    pub identity: String,
    /// The namespaces that are looked after; empty: all.
    pub namespaces: Vec<String>,
    /// The image of proxies.
    pub proxy_image: String,
    /// The DNS name by which proxies find the controller, without the cluster's domain.
    pub service: String,
    /// Where proxies connect.
    pub publications: SocketAddr,
    /// Where API servers ask about pods.
    pub webhook: SocketAddr,
    /// Where health is told.
    pub health: SocketAddr,
    /// The ranges of the cluster's Service addresses.
    pub service_ranges: Vec<Range>,
    /// What is the same for every Gateway.
    pub gateways: Installation,
    /// What a sidecar asks for and may use.
    pub sidecars: Resources,
}

/// Why a replica cannot run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The secrets cannot be had.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// Nor the authorities.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// Nor a certificate.
    #[error(transparent)]
    Certificate(#[from] CaError),
    /// Nor who signs tokens.
    #[error(transparent)]
    Issuer(#[from] IssuerError),
    /// Nor a lease.
    #[error("cannot stand for election: {0}")]
    Lease(#[from] kube_lease_manager::LeaseManagerError),
    /// The API server does not say how old the cluster is.
    #[error("cannot read /version of the API server: {0}")]
    Version(#[source] kube::Error),
    /// It says what is no version.
    #[error("/version of the API server: {0}")]
    NoVersion(#[from] Malformed),
    /// Pods with a sidecar made of these options would be refused, or never serve.
    #[error("what sidecars are made of: {0}")]
    Sidecars(#[from] Problems),
    /// An address cannot be opened.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
}

/// Runs until `shutdown`.
pub async fn run(client: Client, options: Options, shutdown: impl Future<Output = ()>) -> Result<(), RunError> {
    let mut shutdown = pin!(shutdown);
    let keys = keys(&client, &options.namespace).await?;
    let authorities = authorities(&client, &options.namespace, seconds()).await?;
    let names = server_names(&options);
    let leaf = Leaf::issue(authorities.signer(seconds()), &names, seconds())?;
    let (tls, served) = watch::channel(Arc::new(leaf.server(&PROTOCOLS)?));
    let (bundle, trusted) = watch::channel(authorities.bundle());
    let sidecars = sidecars(&client, &options).await?;
    let injected = sidecars.options(authorities.bundle())?;
    let issuer = issuer(&client).await?;
    let (jwks, known) = watch::channel(JwkSet::default());
    let (key_troubles, _) = watch::channel(None);

    let mut tasks = JoinSet::new();
    let (events, told) = Events::new();
    tasks.spawn(events::write(client.clone(), options.identity.clone(), events.clone(), told));
    let keeper = Keeper::new(events.clone());
    follow(&keeper, &mut tasks, &client, &options.namespaces);
    tasks.spawn(Arc::clone(&keeper).publish(client.clone(), options.gateways.clone()));
    tasks.spawn(follow_keys(client.clone(), jwks, key_troubles));
    tasks.spawn(renew(client.clone(), options.clone(), leaf, tls, bundle));

    let feeds = Arc::new(Feeds::default());
    let listener = listen(options.publications).await?;
    let distribution = Distribution::new(Tokens::new(issuer, known), Arc::clone(&feeds), Unheard);
    tasks.spawn(Arc::new(distribution).serve(listener, served.clone()));
    let (drawn, pictures) = watch::channel(None);
    tasks.spawn(picture::draw(keeper.worlds(), options.gateways.clone(), drawn));
    tasks.spawn(tell::tell(pictures.clone(), keys, feeds));
    let (know, known) = watch::channel(None);
    tasks.spawn(known::know(pictures.clone(), trusted.clone(), sidecars, injected, know));
    let (end, ended) = watch::channel(false);
    let webhook = Webhook { known, events: events.clone() }.serve(listen(options.webhook).await?, served, ended);
    let mut webhook = tokio::spawn(webhook);
    let health = listen(options.health).await?;
    tasks.spawn(health::serve(health, keeper.worlds()));

    let (leads, lease) = stand(client.clone(), &options.namespace, &options.identity).await?;
    tasks.spawn(trust::introduce(client.clone(), leads.clone(), trusted.clone()));
    let office = rollouts::Office { client: client.clone(), me: options.identity.clone(), events: events.clone() };
    tasks.spawn(rollouts::work(office, pictures.clone(), leads.clone()));
    tasks.spawn(effects::carry_out(client, options, events, pictures, leads, trusted));
    tokio::select! {
        () = &mut shutdown => {}
        // A watch, a server or a loop never ends by itself: one that has, has panicked, and said so. Begin anew.
        _ = tasks.join_next() => {}
        _ = &mut webhook => {}
    }
    // Drops the last receiver, upon which the lease is given back.
    tasks.shutdown().await;
    let linger = async {
        tokio::time::sleep(LINGER).await;
        end.send_replace(true);
        if !webhook.is_finished() {
            let _ = tokio::time::timeout(Duration::from_millis(ADMISSION_MILLISECONDS), webhook).await;
        }
    };
    let _ = tokio::join!(tokio::time::timeout(Duration::from_secs(2), lease), linger);
    Ok(())
}

/// Nobody asks yet: what is in force is read from the proxies' metrics.
struct Unheard;

impl Acknowledged for Unheard {
    fn note(&self, _: &Identity, _: Acknowledgement) {}
}

async fn listen(address: SocketAddr) -> Result<TcpListener, RunError> {
    TcpListener::bind(address).await.map_err(|source| RunError::Listen { address, source })
}

/// The names of the controller's Services: the one for proxies, and the one for API servers.
fn server_names(options: &Options) -> Vec<String> {
    let Options { service, namespace, .. } = options;
    let webhook = format!("{WEBHOOK}.{namespace}.svc");
    [service.clone(), format!("{service}.{namespace}"), format!("{service}.{namespace}.svc"), webhook].into()
}

/// Where proxies find the controller.
fn controller_url(options: &Options) -> String {
    format!("https://{}.{}.svc:{}", options.service, options.namespace, options.publications.port())
}

/// What sidecars of this cluster are made of.
async fn sidecars(client: &Client, options: &Options) -> Result<Sidecars, RunError> {
    let version = client.apiserver_version().await.map_err(RunError::Version)?;
    Ok(Sidecars {
        image: options.proxy_image.clone(),
        controller: controller_url(options),
        resources: options.sidecars.clone(),
        kubernetes: version.git_version.parse()?,
    })
}

fn follow(keeper: &Arc<Keeper>, tasks: &mut JoinSet<()>, client: &Client, namespaces: &[String]) {
    keeper.follow::<Namespace>(tasks, client, Scope::All);
    keeper.follow::<Node>(tasks, client, Scope::All);
    keeper.follow::<GatewayClass>(tasks, client, Scope::All);
    each::<Service>(keeper, tasks, client, namespaces);
    each::<EndpointSlice>(keeper, tasks, client, namespaces);
    each::<Pod>(keeper, tasks, client, namespaces);
    each::<Deployment>(keeper, tasks, client, namespaces);
    each::<ReplicaSet>(keeper, tasks, client, namespaces);
    each::<StatefulSet>(keeper, tasks, client, namespaces);
    each::<Job>(keeper, tasks, client, namespaces);
    each::<Gateway>(keeper, tasks, client, namespaces);
    each::<HttpRoute>(keeper, tasks, client, namespaces);
    each::<ReferenceGrant>(keeper, tasks, client, namespaces);
    each::<DeserializeGuard<Rollout>>(keeper, tasks, client, namespaces);
}

fn each<K: Kept>(keeper: &Arc<Keeper>, tasks: &mut JoinSet<()>, client: &Client, namespaces: &[String]) {
    if namespaces.is_empty() {
        keeper.follow::<K>(tasks, client, Scope::All);
    }
    for namespace in namespaces {
        keeper.follow::<K>(tasks, client, Scope::Namespace(namespace.clone()));
    }
}

/// Keeps the certificate and what is trusted at their newest.
async fn renew(
    client: Client,
    options: Options,
    mut leaf: Leaf,
    tls: watch::Sender<Arc<rustls::ServerConfig>>,
    bundle: watch::Sender<String>,
) {
    loop {
        tokio::time::sleep(RENEWAL).await;
        // While the API server is away, what is there is good for weeks.
        let Ok(authorities) = authorities(&client, &options.namespace, seconds()).await else { continue };
        bundle.send_if_modified(|known| std::mem::replace(known, authorities.bundle()) != authorities.bundle());
        if leaf.needs_renewal(seconds())
            && let Ok(next) = Leaf::issue(authorities.signer(seconds()), &server_names(&options), seconds())
            && let Ok(config) = next.server(&PROTOCOLS)
        {
            leaf = next;
            tls.send_replace(Arc::new(config));
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the edge that reads the wall clock: certificates have a time")]
fn seconds() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

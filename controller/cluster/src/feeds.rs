//! What each set of proxies is told: one feed for each Gateway, opened by the service account of its proxies, and one for
//! each sidecar, opened by the uid of its pod.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tidegate_config::Publication;
use tokio::sync::watch;

use crate::distribute::{Denied, Feed, Identity};
use crate::sidecar::{Group, Sidecars};

/// Whose feed it is: a namespace and a service account in it.
pub type Account = (String, String);

/// The feeds.
#[derive(Debug, Default)]
pub struct Feeds(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Whether the world was ever seen: before that nobody can be told that there is nothing for it.
    seen: bool,
    feeds: BTreeMap<Account, watch::Sender<Arc<Publication>>>,
    /// By namespace and pod uid.
    sidecars: BTreeMap<(String, String), watch::Sender<Arc<Publication>>>,
    /// What sidecars of one group are told, the same value for all of them.
    groups: BTreeMap<Group, Arc<Publication>>,
    /// The newest generation of any sidecar's feed.
    newest: u64,
}

impl Feeds {
    /// Makes these publications the newest; `None` stays as it is. One that says the same as before is not sent again; others
    /// get the next generation of their feed, the first one `first`. Proxies of accounts that are gone keep what they have.
    pub fn update(&self, publications: BTreeMap<Account, Option<Publication>>, first: u64) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.seen = true;
        state.feeds.retain(|account, _| publications.contains_key(account));
        for (account, next) in publications {
            let Some(mut next) = next else { continue };
            let Some(feed) = state.feeds.get(&account) else {
                next.generation = first;
                state.feeds.insert(account, watch::Sender::new(Arc::new(next)));
                continue;
            };
            let before = feed.borrow().generation;
            next.generation = before;
            if **feed.borrow() != next {
                next.generation = before + 1;
                feed.send_replace(Arc::new(next));
            }
        }
    }

    /// The same for sidecars. Those of one group share each publication, so that it is compared once for all of them, and
    /// made into a message once.
    pub fn update_sidecars(&self, Sidecars { publications, pods }: Sidecars, first: u64) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let State { sidecars, groups, newest, .. } = &mut *state;
        groups.retain(|group, _| publications.contains_key(group));
        for (group, mut next) in publications {
            let known = groups.get(&group);
            next.generation = known.map_or(0, |known| known.generation);
            if known.is_none_or(|known| **known != next) {
                // Above all others: a sidecar that comes from another group must not go back.
                *newest = first.max(*newest + 1);
                next.generation = *newest;
                groups.insert(group, Arc::new(next));
            }
        }
        sidecars.retain(|pod, _| pods.contains_key(pod));
        for (pod, group) in pods {
            let Some(publication) = groups.get(&group) else { continue };
            let feed = sidecars.entry(pod).or_insert_with(|| watch::Sender::new(Arc::clone(publication)));
            feed.send_if_modified(|told| {
                let is_new = !Arc::ptr_eq(told, publication);
                if is_new {
                    *told = Arc::clone(publication);
                }
                is_new
            });
        }
    }
}

impl Feed for Arc<Feeds> {
    fn subscribe(&self, identity: &Identity) -> Result<watch::Receiver<Arc<Publication>>, Denied> {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A pod with a sidecar is told of itself alone, whatever account it has.
        if let Some(feed) = state.sidecars.get(&(identity.namespace.clone(), identity.pod_uid.clone())) {
            return Ok(feed.subscribe());
        }
        let account = (identity.namespace.clone(), identity.service_account.clone());
        match state.feeds.get(&account) {
            Some(feed) => Ok(feed.subscribe()),
            None if !state.seen => Err(Denied::NotReady("the cluster's objects are not known yet".into())),
            None => Err(Denied::Forbidden(format!(
                "nothing is published for service account {} of namespace {}",
                account.1, account.0
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use tidegate_config::{Config, Key};

    use super::*;

    fn publication(path: &str) -> Publication {
        let config = format!(
            "listeners: [{{address: '127.0.0.1:0'}}]\nroutes: [{{service: a, path: {{prefix: {path}}}}}]\n\
             services: {{a: {{versions: {{v: {{endpoints: ['127.0.0.1:1']}}}}}}}}"
        );
        let config = Arc::new(Config::parse(&config).unwrap());
        Publication { generation: 0, cookie_key: Key([0; 16]), config, splits: BTreeMap::new() }
    }

    fn who(account: &str) -> Identity {
        Identity { namespace: "n".into(), service_account: account.into(), pod_name: "p".into(), pod_uid: "u".into() }
    }

    #[test]
    fn an_account_has_its_own_feed_whose_generations_rise_with_what_it_says() {
        let feeds = Arc::new(Feeds::default());
        assert!(matches!(feeds.subscribe(&who("a")), Err(Denied::NotReady(_))));
        let all = |path: &str| {
            BTreeMap::from([
                (("n".into(), "a".into()), Some(publication(path))),
                (("n".into(), "b".into()), Some(publication("/b"))),
            ])
        };
        feeds.update(all("/a"), 7);
        let (mut a, mut b) = (feeds.subscribe(&who("a")).unwrap(), feeds.subscribe(&who("b")).unwrap());
        assert_eq!((a.borrow_and_update().generation, b.borrow_and_update().generation), (7, 7));
        assert!(matches!(feeds.subscribe(&who("c")), Err(Denied::Forbidden(_))));
        feeds.update(all("/other"), 9);
        assert!(a.has_changed().unwrap() && !b.has_changed().unwrap(), "only what says something else is sent");
        assert_eq!(a.borrow_and_update().generation, 8);
        feeds.update(all("/a").into_keys().map(|account| (account, None)).collect(), 10);
        assert!(!a.has_changed().unwrap() && !b.has_changed().unwrap(), "they stay as they are");
        feeds.update(BTreeMap::new(), 10);
        assert!(a.has_changed().is_err(), "the stream of who is gone ends");
    }

    #[test]
    fn a_sidecar_is_told_of_its_own_pod_alone_by_what_its_group_shares() {
        let feeds = Arc::new(Feeds::default());
        let pod = |uid: &str| ("n".to_owned(), uid.to_owned());
        let all = |paths: [&str; 2], groups: [usize; 3]| {
            let known = [Group::of_port(1), Group::of_port(2)];
            let pods = ["u", "v", "w"].into_iter().zip(groups).map(|(uid, group)| (pod(uid), known[group].clone()));
            let publications = known.iter().cloned().zip(paths.map(publication)).collect();
            Sidecars { publications, pods: pods.collect() }
        };
        let subscribe = |uid: &str| feeds.subscribe(&Identity { pod_uid: uid.into(), ..who("a") });
        feeds.update(BTreeMap::from([(("n".into(), "a".into()), Some(publication("/account")))]), 7);
        feeds.update_sidecars(all(["/one", "/two"], [0, 0, 1]), 7);
        let mut told = ["u", "v", "w"].map(|uid| subscribe(uid).unwrap());
        let [u, v, w] = told.each_mut().map(|feed| Arc::clone(&feed.borrow_and_update()));
        assert!(Arc::ptr_eq(&u, &v) && u.generation >= 7 && w.generation > u.generation);
        assert_eq!(*subscribe("other").unwrap().borrow().config.routes, *publication("/account").config.routes);

        feeds.update_sidecars(all(["/one", "/new"], [0, 0, 1]), 9);
        assert!(!told[0].has_changed().unwrap() && told[2].has_changed().unwrap());
        feeds.update_sidecars(all(["/one", "/new"], [0, 1, 1]), 9);
        assert!(!told[0].has_changed().unwrap());
        let moved = Arc::clone(&told[1].borrow_and_update());
        assert!(Arc::ptr_eq(&moved, &told[2].borrow()) && moved.generation > u.generation, "its numbers rise");
        feeds.update_sidecars(Sidecars::default(), 9);
        assert!(told[0].has_changed().is_err(), "its pod is gone");
    }
}

//! What each set of proxies is told: one feed for each Gateway, opened by the service account of its proxies.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tidegate_config::Publication;
use tokio::sync::watch;

use crate::distribute::{Denied, Feed, Identity};

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
}

impl Feeds {
    /// Makes these publications the newest. One that says the same as before is not sent again; others get the next
    /// generation of their feed, the first one `first`. Proxies of accounts that are gone keep what they have.
    pub fn update(&self, publications: BTreeMap<Account, Publication>, first: u64) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.seen = true;
        state.feeds.retain(|account, _| publications.contains_key(account));
        for (account, mut next) in publications {
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
}

impl Feed for Arc<Feeds> {
    fn subscribe(&self, identity: &Identity) -> Result<watch::Receiver<Arc<Publication>>, Denied> {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
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
                (("n".into(), "a".into()), publication(path)),
                (("n".into(), "b".into()), publication("/b")),
            ])
        };
        feeds.update(all("/a"), 7);
        let (mut a, mut b) = (feeds.subscribe(&who("a")).unwrap(), feeds.subscribe(&who("b")).unwrap());
        assert_eq!((a.borrow_and_update().generation, b.borrow_and_update().generation), (7, 7));
        assert!(matches!(feeds.subscribe(&who("c")), Err(Denied::Forbidden(_))));
        feeds.update(all("/other"), 9);
        assert!(a.has_changed().unwrap() && !b.has_changed().unwrap(), "only what says something else is sent");
        assert_eq!(a.borrow_and_update().generation, 8);
        feeds.update(BTreeMap::new(), 10);
        assert!(a.has_changed().is_err(), "the stream of who is gone ends");
    }
}

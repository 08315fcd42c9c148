//! What a seed fixes beside behaviour: the installation's keys, and who the visitors are. Together they fix which visitors
//! get the canary at which share.
//!
//! The proxy draws as it does anywhere: by a keyed hash of the id in a visitor's cookie. Only, the cookie that it would
//! make of a random id for a visitor without one has been made here already, of an id from the seed, under the same key.

use hyper::header::HeaderValue;
use tidegate_config::Key;
use tidegate_controller::publish::Keys;
use tidegate_proxy::cookie::{self, Identity};

use super::chance::{Chance, Draw};

/// The keys of the demo's installation.
pub(crate) fn keys(chance: Chance) -> Keys {
    Keys { cookie: key(chance, 0), master: key(chance, 1) }
}

/// The `Set-Cookie` value by which a visitor becomes one that the proxy knows.
pub(crate) fn cookie(chance: Chance, visitor: u64, minted: u32) -> HeaderValue {
    let identity = Identity { id: chance.bits(visitor, Draw::Id, 0), minted };
    let text = cookie::set(cookie::VISITOR, &identity.seal(&keys(chance).cookie), cookie::VISITOR_MAX_AGE, false);
    // Base64 and the proxy's own names are always valid in a field.
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""))
}

fn key(chance: Chance, number: u64) -> Key {
    let halves = [0, 1].map(|half| chance.bits(0, Draw::Key(number), half).to_le_bytes());
    let mut key = [0; 16];
    key.iter_mut().zip(halves.as_flattened()).for_each(|(to, from)| *to = *from);
    Key(key)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{SocketAddr, TcpStream};
    use std::time::Duration;

    use tidegate_controller::engine::{Command, Verb};
    use tidegate_controller::store::Store;

    use super::super::policy;
    use super::super::scenario::{Version, World};
    use super::super::shop::Shop;
    use super::*;
    use crate::instance::Instance;

    const VISITORS: u64 = 240;
    /// Asked for at once.
    const CLIENTS: u64 = 12;

    /// The version that a visitor of a number meets.
    fn meets(address: SocketAddr, cookie: &HeaderValue) -> String {
        let pair = cookie.to_str().unwrap().split(';').next().unwrap();
        let mut stream = TcpStream::connect(address).unwrap();
        write!(stream, "GET / HTTP/1.1\r\nhost: shop\r\nconnection: close\r\ncookie: {pair}\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let version = answer.lines().find_map(|line| line.strip_prefix("x-demo-version: "));
        version.unwrap_or_else(|| panic!("no version in {answer}")).to_owned()
    }

    /// The version that each visitor meets.
    fn all_meet(address: SocketAddr, chance: Chance) -> Vec<String> {
        let some = |client: u64| {
            move || -> Vec<String> {
                let each = VISITORS / CLIENTS;
                (client * each..(client + 1) * each).map(|number| meets(address, &cookie(chance, number, 0))).collect()
            }
        };
        std::thread::scope(|scope| {
            let clients: Vec<_> = (0..CLIENTS).map(|client| scope.spawn(some(client))).collect();
            clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
        })
    }

    /// The version that each visitor meets at 10% and at 50%, in a run of a demo of its own.
    fn run(seed: u64) -> [Vec<String>; 2] {
        let chance = Chance { seed };
        let version = Version { appeal: 0.25, failures: 0.0, median: Duration::from_millis(1) };
        let shop = Shop::open(World { versions: [version; 2], outage: None }, chance).unwrap();
        let state = tempfile::tempdir().unwrap();
        drop(Store::open_with(state.path(), keys(chance)).unwrap());
        let instance = Instance::start(policy::config(shop.addresses()).unwrap(), None, state.path()).unwrap();
        let address = instance.addresses()[0];
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let met = [(); 2].map(|()| {
            let promote = Command::new(Verb::Promote { full: false }, "test".to_owned());
            runtime.block_on(instance.handle().command(policy::SERVICE.parse().unwrap(), promote)).unwrap();
            loop {
                let overview = runtime.block_on(instance.handle().overview()).unwrap();
                if overview.in_force == Some(overview.generation) {
                    break;
                }
                std::thread::park_timeout(Duration::from_millis(5));
            }
            all_meet(address, chance)
        });
        instance.stop().unwrap();
        met
    }

    #[test]
    fn a_seed_fixes_who_gets_the_canary_at_which_share() {
        // Each waits for scrapes most of the time.
        let [one, again, other] =
            [1, 1, 2].map(|seed| std::thread::spawn(move || run(seed))).map(|run| run.join().unwrap());
        assert_eq!(one, again);
        assert_ne!(one[1], other[1]);
        let canaries = |met: &[String]| met.iter().filter(|version| *version == "v2").count();
        assert!((8..50).contains(&canaries(&one[0])), "a tenth of {VISITORS}: {one:?}");
        assert!((85..155).contains(&canaries(&one[1])), "a half of {VISITORS}: {one:?}");
    }

    #[test]
    fn every_visitor_is_somebody_else() {
        let chance = Chance { seed: 1 };
        let cookies: std::collections::HashSet<HeaderValue> = (0..1_000).map(|n| cookie(chance, n, 0)).collect();
        assert_eq!(cookies.len(), 1_000);
        assert_ne!(keys(chance).cookie, keys(chance).master);
        assert_ne!(keys(chance), keys(Chance { seed: 2 }));
    }
}

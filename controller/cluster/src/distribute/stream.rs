//! The stream of one proxy: the whole, then what changes. A proxy that reads slowly misses what lies between, never the
//! newest.

use std::convert::Infallible;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::unfold;
use http_body_util::StreamBody;
use hyper::body::{Body, Frame};
use tidegate_config::{Publication, limits};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

use super::connection::Phase;
use super::identity::Identity;
use super::lines::Lines;

const HEARTBEAT: Duration = Duration::from_secs(limits::HEARTBEAT_SECONDS as u64);

/// The messages for a proxy, as the body of an answer. Each is made when there is room to send it.
pub(super) fn body(
    publications: watch::Receiver<Arc<Publication>>,
    lines: Arc<Lines>,
    phase: Arc<watch::Sender<Phase>>,
    lifetime: Duration,
) -> impl Body<Data = Bytes, Error = Infallible> + Send {
    let ends = Instant::now() + lifetime;
    let stream = Stream { publications, lines, sent: None, ends, phase };
    StreamBody::new(unfold(stream, |mut stream| async move {
        let line = stream.next().await?;
        Some((Ok(Frame::data(line)), stream))
    }))
}

/// How long a proxy's stream lasts: half of the longest time or more. All proxies that found a new controller at once do
/// not come back at once.
pub(super) fn life(identity: &Identity) -> Duration {
    let mut hasher = DefaultHasher::new();
    identity.hash(&mut hasher);
    let longest = 60 * u64::from(limits::STREAM_MINUTES_MAX);
    Duration::from_secs(longest / 2 + hasher.finish() % (longest / 2))
}

struct Stream {
    publications: watch::Receiver<Arc<Publication>>,
    lines: Arc<Lines>,
    /// What the proxy has been sent, whole.
    sent: Option<Arc<Publication>>,
    ends: Instant,
    phase: Arc<watch::Sender<Phase>>,
}

impl Stream {
    /// The next line; `None` at the end of the stream.
    async fn next(&mut self) -> Option<Bytes> {
        let Some(sent) = self.sent.clone() else {
            let first = Arc::clone(&self.publications.borrow_and_update());
            return self.send(None, first);
        };
        loop {
            tokio::select! {
                changed = self.publications.changed() => {
                    changed.ok()?;
                    let newest = Arc::clone(&self.publications.borrow_and_update());
                    if !Arc::ptr_eq(&newest, &sent) {
                        return self.send(Some(sent), newest);
                    }
                }
                () = sleep(HEARTBEAT) => return Some(Bytes::from_static(b"{}\n")),
                () = sleep_until(self.ends) => return None,
            }
        }
    }

    fn send(&mut self, sent: Option<Arc<Publication>>, newest: Arc<Publication>) -> Option<Bytes> {
        let line = match sent {
            None => self.lines.whole(&newest),
            // A feed that begins to count anew: so does the stream.
            Some(sent) if sent.generation >= newest.generation => return None,
            Some(sent) => self.lines.change(&sent, &newest),
        };
        match line {
            Ok(line) => {
                self.sent = Some(newest);
                Some(line)
            }
            Err(error) => {
                eprintln!("tidegate: generation {} cannot be sent to proxies: {error}", newest.generation);
                None
            }
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.phase.send_replace(Phase::Over);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_do_not_end_at_once() {
        let longest = Duration::from_secs(60 * u64::from(limits::STREAM_MINUTES_MAX));
        let mut lives: Vec<_> = (0..100)
            .map(|pod| {
                let pod_name = format!("proxy-{pod}");
                let [namespace, service_account] = ["shop", "default"].map(str::to_owned);
                life(&Identity { namespace, service_account, pod_name, pod_uid: pod.to_string() })
            })
            .collect();
        lives.sort_unstable();
        lives.dedup();
        assert!(lives.len() > 80, "{} different", lives.len());
        assert!(lives.iter().all(|life| (longest / 2..longest).contains(life)));
    }
}

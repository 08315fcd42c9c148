//! The proxy's end of the stream from the controller: it connects, takes what comes, says what is in force, and connects
//! again, for ever. Whatever goes wrong on the way, what is in force stays.

mod acknowledge;
mod controller;
mod credentials;
mod error;
mod kept;
mod lines;
mod link;
mod newest;
mod position;

use std::time::Duration;

use rand::seq::SliceRandom;
use tidegate_config::limits;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::follow::Following;
use acknowledge::Spoken;
use link::Link;
use position::Position;

pub use controller::{Controller, Origin};
pub use error::SubscribeError;
pub use kept::{Kept, KeptError};
pub use newest::Newest;

const SILENCE: Duration = Duration::from_secs(limits::SILENCE_SECONDS as u64);
const PATIENCE: Duration = Duration::from_secs(limits::CONTROLLER_PATIENCE_SECONDS as u64);

/// Hands over what `controller` publishes, and acknowledges what `following` says of it, until its task is dropped.
///
/// Where no controller answers within [`limits::CONTROLLER_PATIENCE_SECONDS`], what was kept on disk is handed over.
pub async fn subscribe(controller: Controller, newest: Newest, following: watch::Receiver<Following>) {
    let wait = async {
        sleep(PATIENCE).await;
        if newest.stand_in() {
            eprintln!("tidegate: no controller has answered yet; the publication kept on disk is used");
        }
    };
    let subscription = Subscription { controller, newest: &newest, following };
    tokio::join!(wait, subscription.run());
}

struct Subscription<'a> {
    controller: Controller,
    newest: &'a Newest,
    following: watch::Receiver<Following>,
}

impl Subscription<'_> {
    async fn run(mut self) {
        let (mut failures, mut told) = (0u32, None);
        loop {
            let (lived, error) = self.try_all().await;
            if lived {
                (failures, told) = (0, None);
            }
            if matches!(error, SubscribeError::Stopped) {
                return;
            }
            // An end in good order, after half an hour, is no news.
            if !matches!(error, SubscribeError::Ended) {
                let text = error.told();
                if told.as_ref() != Some(&text) {
                    eprintln!("tidegate: the controller at {}: {text}", self.controller);
                }
                told = Some(text);
            }
            sleep(back_off(failures, rand::random())).await;
            failures = failures.saturating_add(1);
        }
    }

    /// Tries the controller's addresses until one of them serves, and attends to that. Returns whether one has, and why that
    /// is over.
    async fn try_all(&mut self) -> (bool, SubscribeError) {
        let mut addresses = match self.controller.addresses().await {
            Ok(addresses) => addresses,
            Err(error) => return (false, error),
        };
        addresses.shuffle(&mut rand::rng());
        let mut worst = SubscribeError::NoAddress;
        for address in addresses.into_iter().take(limits::CONTROLLER_ADDRESSES_MAX) {
            match Link::open(&self.controller, address).await {
                Ok(replica) => {
                    let mut lived = false;
                    let error = self.attend(replica, &mut lived).await;
                    return (lived, error);
                }
                Err(error) if error.tells_more_than(&worst) => worst = error,
                Err(_) => {}
            }
        }
        (false, worst)
    }

    /// Takes what one replica sends until there is no more. `lived`: whether anything good came.
    async fn attend(&mut self, mut replica: Link, lived: &mut bool) -> SubscribeError {
        let (mut position, mut spoken) = (Position::default(), Spoken::default());
        loop {
            tokio::select! {
                line = timeout(SILENCE, replica.line()) => {
                    let line = match line {
                        Ok(Ok(line)) => line,
                        Ok(Err(error)) => return error,
                        Err(_) => return SubscribeError::Silence,
                    };
                    match position.read(&line) {
                        Ok(None) => {}
                        Ok(Some(received)) => spoken.refused = self.newest.offer(&received, &mut position).err(),
                        Err(error) => return error,
                    }
                    *lived = true;
                }
                changed = self.following.changed() => if changed.is_err() { return SubscribeError::Stopped },
            }
            let due = spoken.due(&self.following.borrow_and_update(), &position);
            if let Some(acknowledgement) = due {
                if let Err(error) = replica.acknowledge(&self.controller, &acknowledgement).await {
                    return error;
                }
                spoken.last = Some(acknowledgement);
            }
        }
    }
}

/// Twice as long after each failure, from the least to the most, and down to half of it by chance: a thousand proxies
/// that lost the same replica do not come at once.
fn back_off(failures: u32, jitter: f64) -> Duration {
    let doubled = limits::CONTROLLER_BACKOFF_MILLIS_MIN.saturating_mul(1u32.checked_shl(failures).unwrap_or(u32::MAX));
    let most = doubled.min(limits::CONTROLLER_BACKOFF_MILLIS_MAX);
    Duration::from_millis(most.into()).mul_f64(1.0 - jitter.clamp(0.0, 1.0) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_slow_down_and_spread() {
        for (failures, jitter, millis) in
            [(0, 0.0, 100), (0, 1.0, 50), (1, 0.0, 200), (3, 0.0, 800), (6, 0.0, 5_000), (99, 1.0, 2_500)]
        {
            assert_eq!(back_off(failures, jitter), Duration::from_millis(millis), "{failures} {jitter}");
        }
    }
}

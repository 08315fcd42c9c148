//! What goes to the task that puts publications in force: what streams bring, fenced and numbered, and until then what
//! was kept.

use std::sync::Arc;

use tidegate_config::Publication;
use tidegate_config::wire::fenced;
use tokio::sync::watch;

use super::position::Position;

/// A publication that no proxy can serve: its generation on its stream, and what is wrong.
pub(super) type Refused = (u64, String);

/// The newest publication.
#[derive(Debug)]
pub struct Newest {
    sender: watch::Sender<Arc<Publication>>,
    /// What the proxy was started with.
    first: Arc<Publication>,
    /// What an earlier process had in force: its epochs hold here, too.
    kept: Option<Arc<Publication>>,
}

impl Newest {
    /// `first` is what the proxy is started with, and what the receiver sees until something comes.
    pub fn new(first: Arc<Publication>, kept: Option<Publication>) -> (Self, watch::Receiver<Arc<Publication>>) {
        let (sender, receiver) = watch::channel(Arc::clone(&first));
        (Self { sender, first, kept: kept.map(Arc::new) }, receiver)
    }

    /// Hands what was kept over, unless there is something newer. Returns whether it has.
    pub(super) fn stand_in(&self) -> bool {
        let Some(kept) = &self.kept else { return false };
        self.sender.send_if_modified(|current| {
            let nothing_came = Arc::ptr_eq(current, &self.first);
            if nothing_came {
                *current = Arc::clone(kept);
            }
            nothing_came
        })
    }

    /// Hands a publication over that has come by a stream.
    pub(super) fn offer(&self, received: &Arc<Publication>, position: &mut Position) -> Result<(), Refused> {
        let stream = received.generation;
        received.check().map_err(|problems| (stream, problems.to_string()))?;
        self.sender.send_if_modified(|current| {
            let nothing_came = Arc::ptr_eq(current, &self.first);
            let held = self.kept.as_ref().filter(|_| nothing_came).unwrap_or(current);
            let last = held.generation;
            let publication = fenced(Publication::clone(received), held);
            if !position.has_begun() && !nothing_came && stream <= last && says_the_same(&publication, held) {
                // A stream that was opened anew and brings nothing new.
                position.number(stream, || last);
                return false;
            }
            let generation = position.number(stream, || stream.max(last.saturating_add(1)));
            *current = Arc::new(Publication { generation, ..publication });
            true
        });
        Ok(())
    }
}

fn says_the_same(one: &Publication, other: &Publication) -> bool {
    let Publication { generation: _, cookie_key, config, splits } = one;
    // `fenced` makes equal configurations the same one.
    *cookie_key == other.cookie_key && Arc::ptr_eq(config, &other.config) && *splits == other.splits
}

#[cfg(test)]
mod tests;

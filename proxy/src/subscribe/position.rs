//! PURE. How far a stream has come: what its next change builds on, and which of the proxy's own generations is which of
//! the stream's.
//!
//! Each replica of the controller counts its publications by itself, so that a new stream may begin with any number. The
//! proxy's own numbers only ever rise.

use std::sync::Arc;

use tidegate_config::Publication;
use tidegate_config::wire::{self, Message};

use super::error::SubscribeError;

/// A place on a stream.
#[derive(Debug, Default)]
pub(super) struct Position {
    /// What the other side believes that we have.
    sent: Option<Arc<Publication>>,
    /// The first generation of the stream, and our number of it.
    first: Option<(u64, u64)>,
}

impl Position {
    /// Reads the next line; `None`: nothing new. After an error the stream is of no more use.
    pub(super) fn read(&mut self, line: &[u8]) -> Result<Option<Arc<Publication>>, SubscribeError> {
        let received = match (Message::read(line)?, &self.sent) {
            (Message::Heartbeat, _) => return Ok(None),
            (Message::Publication(publication), None) => publication,
            (Message::Publication(_), Some(_)) => return Err(SubscribeError::Order("a second whole publication")),
            (Message::Change(_), None) => return Err(SubscribeError::Order("a change before a publication")),
            (Message::Change(change), Some(sent)) => Arc::new(wire::apply(sent, *change)?),
        };
        self.sent = Some(Arc::clone(&received));
        Ok(Some(received))
    }

    /// Our number of a generation of the stream; of the first one `first` makes it.
    pub(super) fn number(&mut self, generation: u64, first: impl FnOnce() -> u64) -> u64 {
        let (begin, number) = *self.first.get_or_insert_with(|| (generation, first()));
        number.saturating_add(generation.saturating_sub(begin))
    }

    /// Whether a generation of the stream has a number.
    pub(super) fn has_begun(&self) -> bool {
        self.first.is_some()
    }

    /// The generation of the stream that has our number; `None`: it did not come by this stream.
    pub(super) fn generation(&self, number: u64) -> Option<u64> {
        let (begin, first) = self.first?;
        number.checked_sub(first).map(|later| begin.saturating_add(later))
    }
}

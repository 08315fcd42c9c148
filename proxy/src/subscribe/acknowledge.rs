//! PURE. What is to be said to the controller about its publications.

use tidegate_config::limits;
use tidegate_config::wire::Acknowledgement;

use super::newest::Refused;
use super::position::Position;
use crate::follow::Following;

/// What has been said on one stream.
#[derive(Debug, Default)]
pub(super) struct Spoken {
    /// The last acknowledgement.
    pub(super) last: Option<Acknowledgement>,
    /// The last publication was not even handed over, and why.
    pub(super) refused: Option<Refused>,
}

impl Spoken {
    /// What is to be said now, if it is something new.
    pub(super) fn due(&self, following: &Following, position: &Position) -> Option<Acknowledgement> {
        let due = if let Some((generation, why)) = &self.refused {
            Acknowledgement { generation: *generation, refused: Some(cut(why)) }
        } else if let Some(why) = &following.problem {
            Acknowledgement { generation: position.generation(following.newest)?, refused: Some(cut(why)) }
        } else {
            Acknowledgement { generation: position.generation(following.in_force)?, refused: None }
        };
        // What is in force while a later one has been refused was said before that.
        let is_news = self.last.as_ref().is_none_or(|last| *last != due && last.generation <= due.generation);
        is_news.then_some(due)
    }
}

/// A reason as long as the other side reads.
fn cut(why: &str) -> String {
    // JSON writes a byte as six at most.
    let most = limits::ACKNOWLEDGEMENT_BYTES_MAX / 8;
    why.char_indices().take_while(|(at, character)| at + character.len_utf8() <= most).map(|(_, c)| c).collect()
}

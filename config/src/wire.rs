//! What a controller and a proxy say to each other: publications on a stream that never ends, one JSON value a line, and
//! acknowledgements back.
//!
//! A stream begins with a whole publication; a change to the message before follows each time that something differs. A
//! change that does not fit what the proxy has ends the stream, and the next one begins with the whole again.

mod change;
mod fence;

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::publication::Publication;

pub use change::{Change, Unfit, apply, difference};
pub use fence::fenced;

/// Where a proxy gets its publications: `GET`, answered by a stream of [`Message`]s.
pub const PUBLICATIONS: &str = "/v1/publications";
/// Where a proxy says what it has in force: `POST` of an [`Acknowledgement`].
pub const ACKNOWLEDGEMENTS: &str = "/v1/acknowledgements";
/// The media type of the stream.
pub const CONTENT_TYPE: &str = "application/x-ndjson";
/// Whom a proxy's token must be made for.
pub const AUDIENCE: &str = "tidegate";

/// One line of a stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub enum Message {
    /// Everything: the first message of a stream.
    Publication(Arc<Publication>),
    /// What differs from the message before.
    Change(Box<Change>),
    /// Nothing new; whoever sent it is there.
    Heartbeat,
}

/// A message as it is written: `{"publication": …}`, `{"change": …}` or `{}`.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Written {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    publication: Option<Arc<Publication>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    change: Option<Box<Change>>,
}

impl TryFrom<Written> for Message {
    type Error = &'static str;

    fn try_from(written: Written) -> Result<Self, &'static str> {
        match (written.publication, written.change) {
            (Some(publication), None) => Ok(Self::Publication(publication)),
            (None, Some(change)) => Ok(Self::Change(change)),
            (None, None) => Ok(Self::Heartbeat),
            (Some(_), Some(_)) => Err("publication and change together, expected one of the two"),
        }
    }
}

impl From<Message> for Written {
    fn from(message: Message) -> Self {
        match message {
            Message::Publication(publication) => Self { publication: Some(publication), change: None },
            Message::Change(change) => Self { publication: None, change: Some(change) },
            Message::Heartbeat => Self { publication: None, change: None },
        }
    }
}

impl Message {
    /// The message as a line, with its end.
    pub fn line(&self) -> Result<Vec<u8>, Unreadable> {
        // Compact JSON has no line break inside: those of texts are escaped.
        let mut line = write(self)?;
        line.push(b'\n');
        Ok(line)
    }

    /// Reads a line, with or without its end.
    pub fn read(line: &[u8]) -> Result<Self, Unreadable> {
        read(line)
    }
}

/// What a proxy says of a publication: that it is in force, or why it is not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Acknowledgement {
    /// The generation on this proxy's stream. All before it are done with.
    pub generation: u64,
    /// Why it is not in force; the one before it stays. Absent: it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

impl Acknowledgement {
    /// The acknowledgement as the body of a request.
    pub fn body(&self) -> Result<Vec<u8>, Unreadable> {
        write(self)
    }

    /// Reads the body of a request.
    pub fn read(body: &[u8]) -> Result<Self, Unreadable> {
        read(body)
    }
}

/// The body of every answer of the controller that is no success.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Refusal {
    /// One word for programs: `unauthenticated`, `forbidden`, `not-ready` …
    pub reason: String,
    /// A sentence for people.
    pub message: String,
}

impl Refusal {
    /// The refusal as the body of an answer.
    pub fn body(&self) -> Result<Vec<u8>, Unreadable> {
        write(self)
    }

    /// Reads the body of an answer.
    pub fn read(body: &[u8]) -> Result<Self, Unreadable> {
        read(body)
    }
}

/// A message that is none, or cannot be one: the place in it and what is wrong there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable(String);

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unreadable {}

fn read<'de, T: Deserialize<'de>>(text: &'de [u8]) -> Result<T, Unreadable> {
    let mut reader = serde_json::Deserializer::from_slice(text);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| Unreadable(error.to_string()))?;
    reader.end().map_err(|error| Unreadable(error.to_string()))?;
    Ok(value)
}

fn write(value: &impl Serialize) -> Result<Vec<u8>, Unreadable> {
    serde_json::to_vec(value).map_err(|error| Unreadable(error.to_string()))
}

#[cfg(test)]
mod tests;

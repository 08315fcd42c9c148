//! What is remembered, as the text that an object holds. With many proxies and epochs it is megabytes of much the same numbers, and
//! etcd takes an object of one and a half: a long text is compressed (RFC 1950, in base64). A short one stays readable.

use std::io::{Read, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use tidegate_config::limits;

use super::memory::Memory;

/// What a compressed text begins with; JSON does not.
const PREFIX: &str = "zlib:";

/// More is remembered than an object may hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{bytes} bytes to remember, at most {max}")]
pub struct RecordTooLarge {
    /// How many bytes it would be.
    pub bytes: usize,
    /// How many it may be.
    pub max: usize,
}

/// Why a text cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum UnreadableRecord {
    /// It has another form: somebody else has written it, or a controller of another version.
    #[error(transparent)]
    Form(#[from] serde_json::Error),
    /// It was not compressed by us.
    #[error("what follows {PREFIX:?} is not compressed text: {0}")]
    Packing(String),
}

/// The text of a memory.
pub(super) fn pack(memory: &Memory) -> Result<String, RecordTooLarge> {
    // A record is made of numbers, texts and lists with texts as keys: it always has a JSON form.
    let text = serde_json::to_string(memory).unwrap_or_default();
    let packed = if text.len() <= limits::OBJECT_RECORD_PLAIN_BYTES_MAX { text } else { compressed(text)? };
    let (bytes, max) = (packed.len(), limits::OBJECT_RECORD_BYTES_MAX);
    if bytes > max { Err(RecordTooLarge { bytes, max }) } else { Ok(packed) }
}

fn compressed(text: String) -> Result<String, RecordTooLarge> {
    let (bytes, max) = (text.len(), limits::OBJECT_RECORD_UNPACKED_BYTES_MAX);
    if bytes > max {
        return Err(RecordTooLarge { bytes, max });
    }
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    let packed = encoder.write_all(text.as_bytes()).and_then(|()| encoder.finish());
    Ok(packed.map_or(text, |packed| format!("{PREFIX}{}", STANDARD.encode(packed))))
}

/// The memory of a text.
pub(super) fn unpack(text: &str) -> Result<Memory, UnreadableRecord> {
    let Some(packed) = text.strip_prefix(PREFIX) else { return Ok(serde_json::from_str(text)?) };
    let packing = |error: &dyn std::error::Error| UnreadableRecord::Packing(error.to_string());
    let bytes = STANDARD.decode(packed).map_err(|error| packing(&error))?;
    let most = limits::OBJECT_RECORD_UNPACKED_BYTES_MAX;
    let mut text = String::new();
    let read = ZlibDecoder::new(bytes.as_slice()).take(most as u64 + 1).read_to_string(&mut text);
    read.map_err(|error| packing(&error))?;
    if text.len() > most {
        return Err(UnreadableRecord::Packing(format!("more than {most} bytes")));
    }
    Ok(serde_json::from_str(&text)?)
}

//! Messages in the form in which they are sent, made once for all proxies that need the same one: a hundred proxies of a
//! large cluster would else hold its whole configuration a hundred times.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use bytes::Bytes;
use tidegate_config::wire::{Message, Unreadable, difference};
use tidegate_config::{Publication, limits};

/// Why a message cannot be sent.
#[derive(Debug, thiserror::Error)]
pub(super) enum LineError {
    /// A proxy would not read it.
    #[error("the message has {0} bytes; allowed: {max}", max = limits::MESSAGE_BYTES_MAX)]
    TooLong(usize),
    /// It cannot be written.
    #[error("the message cannot be written: {0}")]
    Write(#[from] Unreadable),
}

/// The lines made last.
#[derive(Debug, Default)]
pub(super) struct Lines(Mutex<VecDeque<Line>>);

#[derive(Debug)]
struct Line {
    /// Its place is held, so that no other publication can be mistaken for it, and not what it says: that of a large cluster
    /// has some 10 MB.
    from: Option<Weak<Publication>>,
    to: Weak<Publication>,
    text: Bytes,
}

impl Lines {
    /// A publication whole.
    pub(super) fn whole(&self, publication: &Arc<Publication>) -> Result<Bytes, LineError> {
        self.line(None, publication)
    }

    /// What makes `to` of `from`.
    pub(super) fn change(&self, from: &Arc<Publication>, to: &Arc<Publication>) -> Result<Bytes, LineError> {
        self.line(Some(from), to)
    }

    fn line(&self, from: Option<&Arc<Publication>>, to: &Arc<Publication>) -> Result<Bytes, LineError> {
        // Held while a line is made: whoever else needs it would only make it, too.
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let same_from = |line: &Line| match (&line.from, from) {
            (Some(known), Some(from)) => is(known, from),
            (None, None) => true,
            _ => false,
        };
        if let Some(line) = lines.iter().find(|line| is(&line.to, to) && same_from(line)) {
            return Ok(line.text.clone());
        }
        let message = match from {
            None => Message::Publication(Arc::clone(to)),
            Some(from) => Message::Change(Box::new(difference(from, to))),
        };
        let text = Bytes::from(message.line()?);
        if text.len() > limits::MESSAGE_BYTES_MAX {
            return Err(LineError::TooLong(text.len()));
        }
        lines.push_back(Line { from: from.map(Arc::downgrade), to: Arc::downgrade(to), text: text.clone() });
        while lines.len() > limits::LINES_MAX || bytes(&lines) > limits::LINES_BYTES_MAX {
            lines.pop_front();
        }
        Ok(text)
    }
}

fn is(known: &Weak<Publication>, publication: &Arc<Publication>) -> bool {
    std::ptr::eq(known.as_ptr(), Arc::as_ptr(publication))
}

fn bytes(lines: &VecDeque<Line>) -> usize {
    lines.iter().map(|line| line.text.len()).sum()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use tidegate_config::{Config, Key};

    use super::*;

    fn publication(generation: u64) -> Arc<Publication> {
        let file = "{listeners: [{address: '127.0.0.1:1'}], routes: [{service: s}], \
                    services: {s: {versions: {v: {endpoints: ['127.0.0.1:2']}}}}}";
        let config = Arc::new(Config::parse(file).unwrap());
        Arc::new(Publication { generation, cookie_key: Key([0; 16]), config, splits: BTreeMap::new() })
    }

    #[test]
    fn a_line_is_made_once() {
        let lines = Lines::default();
        let (one, two) = (publication(1), publication(2));
        let whole = lines.whole(&two).unwrap();
        let change = lines.change(&one, &two).unwrap();
        assert_ne!(whole, change);
        assert_eq!(lines.whole(&two).unwrap().as_ptr(), whole.as_ptr());
        assert_eq!(lines.change(&one, &two).unwrap().as_ptr(), change.as_ptr());
        assert_eq!((Arc::strong_count(&one), Arc::strong_count(&two)), (1, 1), "what they say is not held");
        for generation in 0..=limits::LINES_MAX as u64 {
            lines.whole(&publication(generation)).unwrap();
        }
        assert_eq!(lines.0.lock().unwrap().len(), limits::LINES_MAX);
        assert_ne!(lines.whole(&two).unwrap().as_ptr(), whole.as_ptr(), "forgotten");
    }
}

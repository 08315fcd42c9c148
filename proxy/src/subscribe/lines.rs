//! Cuts what comes into lines.

use bytes::BytesMut;
use memchr::memchr;
use tidegate_config::limits;

use super::error::SubscribeError;

/// The beginning of a line that is not complete.
#[derive(Debug, Default)]
pub(super) struct Lines {
    buffer: BytesMut,
    /// How far it has been looked through for an end.
    searched: usize,
}

impl Lines {
    /// Adds what has come. Refuses a line that is too long before its end has come.
    pub(super) fn add(&mut self, data: &[u8]) -> Result<(), SubscribeError> {
        self.buffer.extend_from_slice(data);
        let too_long = self.buffer.len() > limits::MESSAGE_BYTES_MAX + data.len();
        if too_long { Err(SubscribeError::TooLong) } else { Ok(()) }
    }

    /// The next line, without its end.
    pub(super) fn next(&mut self) -> Option<BytesMut> {
        let Some(at) = memchr(b'\n', self.buffer.get(self.searched..)?) else {
            self.searched = self.buffer.len();
            return None;
        };
        let mut line = self.buffer.split_to(self.searched + at + 1);
        self.searched = 0;
        line.truncate(line.len() - 1);
        if self.buffer.is_empty() {
            // The memory of a long line goes with it.
            self.buffer = BytesMut::new();
        }
        Some(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_in_pieces() {
        for pieces in [&["one\ntwo\n\nthree"][..], &["on", "e", "\nt", "wo\n", "\n", "thr"], &["one\n", "two\n", "\n"]]
        {
            let (mut lines, mut found) = (Lines::default(), Vec::new());
            for piece in pieces {
                lines.add(piece.as_bytes()).unwrap();
                while let Some(line) = lines.next() {
                    found.push(String::from_utf8(line.to_vec()).unwrap());
                }
            }
            assert_eq!(found, ["one", "two", ""], "{pieces:?}");
        }
    }

    #[test]
    fn a_line_has_an_end() {
        let mut lines = Lines::default();
        let piece = vec![b'a'; 1 << 20];
        let taken = (0..=limits::MESSAGE_BYTES_MAX >> 20).take_while(|_| lines.add(&piece).is_ok()).count();
        assert_eq!(taken, (limits::MESSAGE_BYTES_MAX >> 20) + 1, "as long as a message may be, and one piece");
        assert!(lines.add(&piece).is_err());
    }
}

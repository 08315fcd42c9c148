//! Why a stream could not be opened or has ended.

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use http::StatusCode;
use tidegate_config::limits;
use tidegate_config::wire::{Unfit, Unreadable};

use crate::dns::ResolveError;

/// Why there is no stream at the moment.
#[derive(Debug, thiserror::Error)]
pub enum SubscribeError {
    /// The file of the token or of the bundle of certificates cannot be used.
    #[error("{}: {wrong}", .file.display())]
    Credentials {
        /// The file.
        file: PathBuf,
        /// What is wrong with it, and what is allowed.
        wrong: String,
    },
    /// The name stands for no address.
    #[error("its name cannot be looked up")]
    Resolve(#[from] ResolveError),
    /// The name stands for none.
    #[error("its name has no address")]
    NoAddress,
    /// Nobody listens there.
    #[error("cannot connect to {address}")]
    Connect {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// Whoever listens there cannot prove to be the controller.
    #[error("{address} is not trusted")]
    Tls {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// It did not answer in time.
    #[error("{0} did not answer within {max} s", max = limits::CONTROLLER_ANSWER_SECONDS)]
    Late(SocketAddr),
    /// It will not serve this proxy.
    #[error("it answers {status}: {message}")]
    Refused {
        /// The status.
        status: StatusCode,
        /// What it says.
        message: String,
    },
    /// The connection broke.
    #[error("the connection broke")]
    Broken(#[from] hyper::Error),
    /// It ended the stream in good order.
    #[error("the stream has ended")]
    Ended,
    /// Not even a sign of life came.
    #[error("nothing came for {max} s", max = limits::SILENCE_SECONDS)]
    Silence,
    /// A message is too long.
    #[error("a message is longer than {max} bytes", max = limits::MESSAGE_BYTES_MAX)]
    TooLong,
    /// A message cannot be read.
    #[error("a message cannot be read")]
    Message(#[from] Unreadable),
    /// A message does not fit the one before.
    #[error("a message does not fit the one before")]
    Unfit(#[from] Unfit),
    /// A stream did not begin with everything, or began twice.
    #[error("the stream is out of order: {0}")]
    Order(&'static str),
    /// Nobody follows any more: the process ends.
    #[error("the proxy has stopped")]
    Stopped,
}

impl SubscribeError {
    /// Which of the errors at several addresses is told: that of somebody who answered, and in the order of the addresses,
    /// so that it is the same at the next try.
    pub(super) fn tells_more_than(&self, other: &Self) -> bool {
        let rank = |error: &Self| match error {
            Self::NoAddress => (0, None),
            Self::Connect { address, .. } => (1, Some(*address)),
            Self::Late(address) => (2, Some(*address)),
            _ => (3, None),
        };
        rank(self) > rank(other)
    }

    /// The error with its causes, in one line.
    pub(super) fn told(&self) -> String {
        let mut text = self.to_string();
        let mut cause = self.source();
        while let Some(inner) = cause {
            let inner_text = inner.to_string();
            if !text.contains(&inner_text) {
                text = format!("{text}: {inner_text}");
            }
            cause = inner.source();
        }
        text
    }
}

//! HTTP/1.1 or HTTP/2 with prior knowledge: told apart by the first bytes of a connection (RFC 9113 §3.4).

use std::io;

use bytes::{Bytes, BytesMut};
use tokio::net::TcpStream;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The protocol of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http1,
    Http2,
}

/// Reads until the protocol is clear; returns it with the bytes read. `None` where the client closed before.
pub(crate) async fn detect(stream: &TcpStream) -> io::Result<Option<(Protocol, Bytes)>> {
    let mut bytes = BytesMut::with_capacity(PREFACE.len());
    loop {
        stream.readable().await?;
        let mut chunk = [0u8; PREFACE.len()];
        let room = PREFACE.len() - bytes.len();
        match stream.try_read(&mut chunk[..room]) {
            Ok(0) => return Ok(None),
            Ok(count) => bytes.extend_from_slice(&chunk[..count]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
            Err(error) => return Err(error),
        }
        if !PREFACE.starts_with(&bytes) {
            return Ok(Some((Protocol::Http1, bytes.freeze())));
        }
        if bytes.len() == PREFACE.len() {
            return Ok(Some((Protocol::Http2, bytes.freeze())));
        }
    }
}

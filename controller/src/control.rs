//! The operator's side: HTTP/1.1 and JSON over a Unix socket in the state directory, for its owner alone.

mod answer;
mod peer;

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixStream as Probe;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::{Deserialize, Serialize};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::limits::{CONTROL_CONNECTIONS_MAX, CONTROL_TIMEOUT_SECONDS};
use crate::reconcile::Handle;

/// The socket's name in the state directory.
pub const SOCKET: &str = "control.sock";

/// What comes with a command.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct CommandBody {
    /// Who asks. Absent: the user at the other end of the socket.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// `promote` only: to 100% at once. Default false.
    pub full: bool,
    /// Which of several versions that are tried is meant; absent: all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// Why a request was not carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProblemBody {
    /// What is wrong.
    pub error: String,
    /// What is possible instead.
    pub allowed: String,
}

/// Why the socket cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// Another instance answers on it.
    #[error("another instance answers on {}; stop it, or give this one a --state-dir of its own", .0.display())]
    InUse(PathBuf),
    /// Something else has its name.
    #[error("{} is in the way: it is not a socket; move it away", .0.display())]
    InTheWay(PathBuf),
    /// The system refuses (the path of a Unix socket has at most 107 bytes).
    #[error("cannot listen on {}", .path.display())]
    Listen {
        /// The path.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// The open socket. Its file goes when this is dropped.
#[derive(Debug)]
pub struct Control {
    listener: UnixListener,
    path: PathBuf,
}

impl Control {
    /// Opens the socket of a state directory (mode 0600). The file of an instance that died is replaced.
    pub fn bind(state_dir: &Path) -> Result<Self, ControlError> {
        let path = state_dir.join(SOCKET);
        make_way(&path)?;
        let failed = |source| ControlError::Listen { path: path.clone(), source };
        let listener = UnixListener::bind(&path).map_err(failed)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).map_err(failed)?;
        Ok(Self { listener, path })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Answers operators until it is dropped.
    pub async fn serve(self, handle: Handle) {
        let free = Arc::new(Semaphore::new(CONTROL_CONNECTIONS_MAX));
        let mut connections = JoinSet::new();
        loop {
            while connections.try_join_next().is_some() {}
            let Ok(permit) = free.clone().acquire_owned().await else { return };
            match self.listener.accept().await {
                Ok((stream, _)) => {
                    let handle = handle.clone();
                    connections.spawn(async move {
                        serve_one(stream, handle).await;
                        drop(permit);
                    });
                }
                // Out of file descriptors, most likely: another moment may have some.
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        // Left behind it does no harm: the next instance replaces it.
        let _ = fs::remove_file(&self.path);
    }
}

async fn serve_one(stream: UnixStream, handle: Handle) {
    let user = peer::user(&stream);
    let answer = service_fn(|request| answer::answer(request, &handle, &user));
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(Duration::from_secs(CONTROL_TIMEOUT_SECONDS));
    // Whoever hangs up or sends nonsense has only themselves to tell.
    let _ = server.serve_connection(TokioIo::new(stream), answer).await;
}

/// Removes the socket file of an instance that is gone; refuses where one is alive.
fn make_way(path: &Path) -> Result<(), ControlError> {
    let failed = |source| ControlError::Listen { path: path.to_owned(), source };
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(failed(error)),
        Ok(found) if !found.file_type().is_socket() => Err(ControlError::InTheWay(path.to_owned())),
        Ok(_) => match Probe::connect(path) {
            Ok(_) => Err(ControlError::InUse(path.to_owned())),
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path).map_err(failed),
            Err(error) => Err(failed(error)),
        },
    }
}

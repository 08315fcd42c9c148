//! Where a controller may die: tests stop it at each of these points and go on with what is on disk.

/// A point in the life of a weight change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crash {
    /// Decided; nothing is written.
    BeforePersist,
    /// Half of the transaction is written.
    WhilePersisting,
    /// The transaction is on disk; nobody was told.
    BeforePublish,
    /// The proxies were told; nobody was answered.
    AfterPublish,
}

impl Crash {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::BeforePersist, Self::WhilePersisting, Self::BeforePublish, Self::AfterPublish];
}

/// The controller was stopped at a point that a test chose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("stopped on purpose at {0:?}")]
pub struct Crashed(pub Crash);

/// At which point to stop, if any.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Plan(pub(crate) Option<Crash>);

impl Plan {
    /// Passes a point, or stops there.
    pub(crate) fn pass(self, point: Crash) -> Result<(), Crashed> {
        if self.0 == Some(point) { Err(Crashed(point)) } else { Ok(()) }
    }
}

//! The limits of the controller's own input and output that `tidegate_config::limits` does not name, each with its
//! unit and its reason.

/// Labels of one sample of a scrape: what we export has at most five.
pub(crate) const LABELS_MAX: usize = 64;
/// Bytes of a line of a scrape: the longest of ours, with two full names, stays below 400.
pub(crate) const LINE_BYTES_MAX: usize = 16 * 1024;
/// Minutes of traffic remembered for a service: an hour shows its usual load.
pub(crate) const TRAFFIC_MINUTES_MAX: usize = 60;
/// Requests of operators that may wait for the controller's next free moment. More are answered 503.
pub(crate) const ASKS_MAX: usize = 64;
/// Connections to the control socket at once. More wait in the socket's queue.
pub(crate) const CONTROL_CONNECTIONS_MAX: usize = 32;
/// Bytes of memory that the store may use as its cache: all of its pages, in practice.
pub(crate) const STORE_CACHE_BYTES: usize = 8 * 1024 * 1024;
/// Seconds an operator's connection may take to send a request: a person behind it is served in milliseconds.
pub(crate) const CONTROL_TIMEOUT_SECONDS: u64 = 10;
/// Bytes of an answer to an operator: every decision of a service, with its numbers, fits.
pub(crate) const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Bytes of an actor's name.
pub(crate) const ACTOR_BYTES_MAX: usize = 256;

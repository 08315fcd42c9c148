//! The limits of the controller's own input and output that `tidegate_config::limits` does not name, each with its
//! unit and its reason.

/// Labels of one sample of a scrape: what we export has at most five.
pub(crate) const LABELS_MAX: usize = 64;
/// Bytes of a line of a scrape: the longest of ours, with two full names, stays below 400.
pub(crate) const LINE_BYTES_MAX: usize = 16 * 1024;

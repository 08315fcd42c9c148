//! File descriptors: every client takes one, and every connection to an endpoint another.

use rustix::process::{Resource, getrlimit, setrlimit};

/// Takes as many as the system grants: what a shell or a service manager sets at first is meant for programs that cannot
/// have more than 1,024. Returns how many that are; `None`: as many as there are.
pub fn take_all() -> Option<u64> {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // Where that is refused, what was granted at first stays.
    let _ = setrlimit(Resource::Nofile, limit);
    getrlimit(Resource::Nofile).current
}

/// Fewer than are needed, and nothing to be done about it from here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "{needed} file descriptors are needed, and the system grants {granted}: raise its limit (ulimit -Hn {needed}, \
     LimitNOFILE={needed})"
)]
pub struct TooFew {
    needed: u64,
    granted: u64,
}

/// Whether what [`take_all`] was granted is enough.
pub fn are_enough(needed: u64, granted: Option<u64>) -> Result<(), TooFew> {
    match granted {
        Some(granted) if granted < needed => Err(TooFew { needed, granted }),
        _ => Ok(()),
    }
}

/// How many `connections` clients may take, each with a connection to an endpoint.
pub fn needed_for(connections: u32) -> u64 {
    2 * u64::from(connections) + RESERVED
}

/// For everything else: listeners, the store, the file's directory, operators, scrapes.
const RESERVED: u64 = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_few_are_told_with_their_numbers() {
        let needed = needed_for(1_000);
        assert_eq!(needed, 2_256);
        for enough in [None, Some(2_256), Some(1 << 20)] {
            assert_eq!(are_enough(needed, enough), Ok(()), "{enough:?}");
        }
        let told = are_enough(needed, Some(2_255)).unwrap_err().to_string();
        assert!(told.contains("2256 file descriptors") && told.contains("grants 2255"), "{told}");
    }
}

//! File descriptors: every client takes one, and every connection to an endpoint another.

use rustix::process::{Resource, getrlimit, setrlimit};

/// Takes as many as the system grants: what a shell or a service manager sets at first is meant for programs that cannot
/// have more than 1,024. Returns how many that are; `None`: as many as there are.
pub(crate) fn take_all() -> Option<u64> {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // Where that is refused, what was granted at first stays.
    let _ = setrlimit(Resource::Nofile, limit);
    getrlimit(Resource::Nofile).current
}

/// What to say where `connections` clients, each with a connection to an endpoint, may need more than there are.
pub(crate) fn shortage(connections: u32, granted: Option<u64>) -> Option<String> {
    let needed = 2 * u64::from(connections) + RESERVED;
    let granted = granted.filter(|granted| *granted < needed)?;
    Some(format!(
        "limits.connections of {connections} may need {needed} file descriptors, and the system grants {granted}; raise \
         its limit (LimitNOFILE, ulimit -Hn) or lower this one"
    ))
}

/// For everything else: listeners, the store, the file's directory, operators, scrapes.
const RESERVED: u64 = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shortage_is_told_with_its_numbers() {
        assert_eq!(shortage(20_000, None), None);
        assert_eq!(shortage(1_000, Some(2_256)), None);
        let told = shortage(1_000, Some(2_255)).unwrap();
        assert!(told.contains("1000") && told.contains("2256") && told.contains("2255"), "{told}");
    }
}

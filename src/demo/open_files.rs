//! How many connections this process may have.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What the demo needs: each of the crowd's connections has an end in the crowd and one in the proxy, which opens at most
/// as many to the shop, again with two ends; and some for everything else.
const NEEDED: u64 = 4 * super::crowd::CONNECTIONS as u64 + 64;

/// Too few, and nothing to be done about it from here.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the demo needs {NEEDED} open files and may have {0}: allow more with ulimit -n {NEEDED}")]
pub struct TooFew(u64);

/// Makes sure that there are enough, if need be by asking for more.
pub(crate) fn ensure() -> Result<(), TooFew> {
    let limit = getrlimit(Resource::Nofile);
    let Some(wanted) = missing(limit.current, limit.maximum)? else { return Ok(()) };
    let more = Rlimit { current: Some(wanted), ..limit };
    setrlimit(Resource::Nofile, more).map_err(|_| TooFew(limit.current.unwrap_or(0)))
}

/// What to ask for, if anything; `None` among the limits is no limit.
fn missing(current: Option<u64>, maximum: Option<u64>) -> Result<Option<u64>, TooFew> {
    match (current, maximum) {
        (Some(current), Some(maximum)) if current < NEEDED && maximum < NEEDED => Err(TooFew(current)),
        (Some(current), _) if current < NEEDED => Ok(Some(NEEDED)),
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asks_only_for_what_is_missing_and_may_be_had() {
        for (current, maximum, expected) in [
            (None, None, Ok(None)),
            (Some(1_024), Some(1_024), Ok(None)),
            (Some(256), None, Ok(Some(NEEDED))),
            (Some(256), Some(4_096), Ok(Some(NEEDED))),
            (Some(100), Some(100), Err(TooFew(100))),
        ] {
            assert_eq!(missing(current, maximum), expected, "{current:?} of {maximum:?}");
        }
    }
}

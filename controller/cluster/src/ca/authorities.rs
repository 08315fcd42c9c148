//! The authorities that are trusted: one, and two of them while the second follows the first.

use super::{Authority, CaError, DAY};

/// How long a new authority only is trusted before it signs: whoever reads the bundle must have read it. Mounted files are
/// minutes late, a proxy reads them at every connection, and the API server hears of it from an object that is written at
/// once; what is a day of ten years.
const HEARD_OF_SECONDS: i64 = DAY;

/// Authorities from the oldest to the newest; never none.
#[derive(Debug)]
pub struct Authorities {
    first: Authority,
    later: Vec<Authority>,
}

impl Authorities {
    /// The first of all.
    pub fn create(now: i64) -> Result<Self, CaError> {
        Ok(Self { first: Authority::create(now)?, later: Vec::new() })
    }

    /// Those that were kept; `None` where there are none.
    pub fn of(mut authorities: Vec<Authority>) -> Option<Self> {
        authorities.sort_by_key(|authority| authority.validity().from);
        let mut authorities = authorities.into_iter();
        let first = authorities.next()?;
        Some(Self { first, later: authorities.collect() })
    }

    /// From the oldest to the newest, to be kept.
    pub fn all(&self) -> impl Iterator<Item = &Authority> {
        std::iter::once(&self.first).chain(&self.later)
    }

    fn newest(&self) -> &Authority {
        self.later.last().unwrap_or(&self.first)
    }

    /// Whether [`renewed`](Self::renewed) would change anything.
    pub fn need_renewal(&self, now: i64) -> bool {
        self.newest().needs_renewal(now) || self.all().any(|authority| authority.validity().is_over(now))
    }

    /// With a new one where the newest is near its end, and without those that are over.
    pub fn renewed(self, now: i64) -> Result<Self, CaError> {
        let next = if self.newest().needs_renewal(now) { Some(Authority::create(now)?) } else { None };
        let known = std::iter::once(self.first).chain(self.later);
        let valid = known.filter(|authority| !authority.validity().is_over(now)).chain(next).collect();
        Self::of(valid).map_or_else(|| Self::create(now), Ok)
    }

    /// The one that signs: the newest of which everybody has heard.
    pub fn signer(&self, now: i64) -> &Authority {
        let heard_of = |authority: &&Authority| now - authority.validity().from >= HEARD_OF_SECONDS;
        let valid = |authority: &&Authority| !authority.validity().is_over(now);
        let of_all = self.later.iter().rev().chain([&self.first]);
        of_all.filter(valid).find(heard_of).unwrap_or_else(|| {
            // At the very beginning nobody has heard of any, and nobody trusts another one.
            self.all().find(valid).unwrap_or_else(|| self.newest())
        })
    }

    /// What others are to trust: the certificates in PEM, one after the other.
    pub fn bundle(&self) -> String {
        self.all().map(Authority::certificate).collect()
    }
}

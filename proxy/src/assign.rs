//! PURE. Which version a visitor sees.
//!
//! Every visitor has a fixed place on the line from 0 to 1, drawn by a keyed hash; the versions' shares are laid on that
//! line one after another. So an assignment needs no memory, is equal on every replica, and a share that grows only ever
//! adds visitors.

use std::hash::Hasher;

use siphasher::sip::SipHasher13;
use tidegate_config::Key;

/// A visitor's draw: 64 uniform bits from the rollout's salt and the visitor's id.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Draw(pub u64);

impl Draw {
    /// The draw of a visitor under a salt.
    pub fn of(salt: &Key, visitor: &[u8]) -> Self {
        let mut hasher = SipHasher13::new_with_key(&salt.0);
        hasher.write(visitor);
        Self(hasher.finish())
    }

    /// The visitor's place on the line, in parts per million: 0 to 999,999. Uses the upper bits.
    pub fn place(self) -> u32 {
        // The product of a 64-bit and a 20-bit number, shifted down by 64, is below one million.
        u32::try_from((u128::from(self.0) * 1_000_000) >> 64).unwrap_or(0)
    }

    /// A second number that does not depend on [`place`](Self::place): the lower half of the bits, as a fraction of 2^32.
    pub fn thinning(self) -> u32 {
        u32::try_from(self.0 & u64::from(u32::MAX)).unwrap_or(0)
    }
}

/// The part of the line at a place: the first whose upper end lies above it. `uppers` are in parts per million, the last of
/// them 1,000,000.
pub fn pick(uppers: impl IntoIterator<Item = u32>, place: u32) -> usize {
    let mut last = 0;
    for (index, upper) in uppers.into_iter().enumerate() {
        if place < upper {
            return index;
        }
        last = index;
    }
    last
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn place(salt: u8, visitor: u64) -> u32 {
        Draw::of(&Key([salt; 16]), &visitor.to_le_bytes()).place()
    }

    #[test]
    fn arms_are_half_open_intervals() {
        for (place, arm) in [(0, 1), (99_999, 1), (100_000, 2), (999_999, 2)] {
            assert_eq!(pick([0, 100_000, 1_000_000], place), arm, "{place}");
        }
    }

    #[test]
    fn a_share_takes_its_part_of_the_visitors() {
        let visitors = 1_000_000u32;
        for share in [1_000u32, 10_000, 100_000, 500_000] {
            let taken = (0..visitors).filter(|v| place(7, u64::from(*v)) < share).count();
            let (n, p) = (f64::from(visitors), f64::from(share) / 1e6);
            // Five standard deviations of the binomial distribution.
            let bound = 5.0 * (n * p * (1.0 - p)).sqrt();
            assert!((f64::from(u32::try_from(taken).unwrap()) - n * p).abs() < bound, "{share}: {taken}");
        }
    }

    #[test]
    fn another_salt_draws_other_visitors() {
        let both = (0..100_000u64).filter(|v| place(1, *v) < 100_000 && place(2, *v) < 100_000).count();
        assert!((800..1_200).contains(&both), "{both} of 100,000 are in both tenths");
    }

    proptest! {
        #[test]
        fn a_growing_share_only_adds_visitors(visitor: u64, low in 0..1_000_000u32, more in 0..1_000_000u32) {
            let high = (low + more).min(1_000_000);
            let at = place(3, visitor);
            let canary = |share: u32| pick([share, 1_000_000], at) == 0;
            prop_assert!(!canary(low) || canary(high));
        }

        #[test]
        fn moving_the_canary_moves_nobody_between_the_others(visitor: u64, a in 0..300_000u32, b in 0..300_000u32, x in 0..400_000u32, y in 0..400_000u32) {
            let at = place(4, visitor);
            let arms = |canary: u32| pick([a, a + b, a + b + canary, 1_000_000], at);
            let (before, after) = (arms(x), arms(y));
            prop_assert!(before == after || before >= 2 && after >= 2);
        }
    }
}

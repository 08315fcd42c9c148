//! PURE. Chance that comes back with its seed: every draw is a function of the seed, the visitor and what is drawn, so the
//! order in which things happen does not matter.

use std::hash::Hasher;

use siphasher::sip::SipHasher13;

/// Where all draws of one demo come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Chance {
    /// The seed.
    pub(crate) seed: u64,
}

/// What is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Draw {
    /// The time to the next arrival.
    Gap,
    /// How long a visitor looks at its nth page.
    Thinking(u64),
    /// How easily a visitor buys.
    Temper,
    /// Whether the shop fails at the nth page.
    Failure(u64),
    /// How long the shop takes for the nth page: two draws.
    Latency(u64),
    /// Who a visitor is: the id in its cookie.
    Id,
    /// A key of the installation: two draws, for nobody in particular.
    Key(u64),
}

impl Draw {
    fn code(self) -> (u64, u64) {
        match self {
            Self::Gap => (0, 0),
            Self::Thinking(page) => (1, page),
            Self::Temper => (2, 0),
            Self::Failure(page) => (3, page),
            Self::Latency(page) => (4, page),
            Self::Id => (5, 0),
            Self::Key(number) => (6, number),
        }
    }
}

impl Chance {
    /// A number in [0, 1) that belongs to one visitor.
    pub(crate) fn uniform(self, visitor: u64, draw: Draw) -> f64 {
        self.number(visitor, draw, 0)
    }

    /// A time between events that come at random, `mean` apart.
    pub(crate) fn exponential(self, visitor: u64, draw: Draw, mean: f64) -> f64 {
        -mean * (1.0 - self.uniform(visitor, draw)).ln()
    }

    /// A factor around 1 whose logarithm is normal with deviation `sigma`.
    pub(crate) fn log_normal(self, visitor: u64, draw: Draw, sigma: f64) -> f64 {
        let (radius, angle) = (self.number(visitor, draw, 0), self.number(visitor, draw, 1));
        let normal = (-2.0 * (1.0 - radius).ln()).sqrt() * (std::f64::consts::TAU * angle).cos();
        (sigma * normal).exp()
    }

    fn number(self, visitor: u64, draw: Draw, which: u64) -> f64 {
        // The upper 32 bits: more than any draw here can tell apart.
        let bits = u32::try_from(self.bits(visitor, draw, which) >> 32).unwrap_or(u32::MAX);
        f64::from(bits) / (f64::from(u32::MAX) + 1.0)
    }

    /// 64 bits that belong to one visitor, the first or a further time.
    pub(crate) fn bits(self, visitor: u64, draw: Draw, which: u64) -> u64 {
        let (kind, index) = draw.code();
        let mut hasher = SipHasher13::new_with_keys(self.seed, kind);
        hasher.write_u64(visitor);
        hasher.write_u64(index);
        hasher.write_u64(which);
        hasher.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mean(of: impl Fn(u64) -> f64) -> f64 {
        (0..20_000).map(of).sum::<f64>() / 20_000.0
    }

    #[test]
    fn a_seed_fixes_every_draw_and_another_changes_it() {
        let (one, two) = (Chance { seed: 1 }, Chance { seed: 2 });
        let draw = |chance: Chance| chance.uniform(7, Draw::Temper).to_bits();
        assert_eq!(draw(one), draw(one));
        assert_ne!(draw(one), draw(two));
        assert_ne!(draw(one), one.uniform(8, Draw::Temper).to_bits());
        assert_ne!(draw(one), one.uniform(7, Draw::Failure(0)).to_bits());
    }

    #[test]
    fn draws_have_their_distributions() {
        let chance = Chance { seed: 3 };
        assert!((mean(|visitor| chance.uniform(visitor, Draw::Temper)) - 0.5).abs() < 0.01);
        assert!((mean(|visitor| chance.exponential(visitor, Draw::Gap, 4.0)) - 4.0).abs() < 0.1);
        let below = mean(|visitor| f64::from(chance.log_normal(visitor, Draw::Latency(0), 0.25) < 1.0));
        assert!((below - 0.5).abs() < 0.01, "the median is 1: {below}");
        let below = mean(|visitor| f64::from(chance.log_normal(visitor, Draw::Latency(0), 0.25) < 0.25_f64.exp()));
        assert!((below - 0.841).abs() < 0.01, "one deviation: {below}");
    }
}

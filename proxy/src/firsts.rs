//! What may happen to a visitor for the first time in a rollout, packed into 16 bits, and a worker's short memory of what
//! it has told the ledger.

use tidegate_config::limits;

use crate::assign::Draw;
use crate::cookie::Facts;

/// The arms a visitor has met (14 bits), whether it converted and whether it met a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Firsts(u16);

const CONVERTED: u16 = 1 << 14;
const FAILED: u16 = 1 << 15;
/// Arms that can be told apart; a service with more versions has no evidence on the others.
const ARMS: usize = 14;

impl Firsts {
    /// What one request may be a first of.
    pub(crate) fn of(arm: usize, failed: bool, converted: bool) -> Option<Self> {
        let arm = (arm < ARMS).then_some(1u16 << arm)?;
        Some(Self(arm | if failed { FAILED } else { 0 } | if converted { CONVERTED } else { 0 }))
    }

    /// Everything that has happened to a visitor.
    pub(crate) fn in_facts(facts: &Facts) -> Self {
        let flags = if facts.failed { FAILED } else { 0 } | if facts.converted { CONVERTED } else { 0 };
        Self(facts.met | flags)
    }

    /// The lowest arm: for a single request, its own.
    pub(crate) fn arm(self) -> u8 {
        u8::try_from(self.0.trailing_zeros()).unwrap_or(0)
    }

    /// Whether there was a failure.
    pub(crate) fn failed(self) -> bool {
        self.0 & FAILED != 0
    }

    /// Whether there was a conversion.
    pub(crate) fn converted(self) -> bool {
        self.0 & CONVERTED != 0
    }

    /// What is known after this.
    pub(crate) fn added_to(self, facts: Facts) -> Facts {
        let met = facts.met | self.0 & !(FAILED | CONVERTED);
        Facts { met, failed: facts.failed || self.failed(), converted: facts.converted || self.converted(), ..facts }
    }
}

/// What a worker has told the ledger of the visitors it met last. Forgets by overwriting: to tell twice is harmless, the
/// ledger knows.
#[derive(Debug, Default)]
pub(crate) struct Memory(Box<[(u64, u16)]>);

impl Memory {
    fn slot(&mut self, key: u64) -> &mut (u64, u16) {
        if self.0.is_empty() {
            self.0 = vec![(0, 0); limits::VISITOR_CACHE_MAX].into();
        }
        let length = self.0.len() as u64;
        &mut self.0[usize::try_from(key % length).unwrap_or(0)]
    }

    /// Whether all of this has been told already.
    pub(crate) fn recalls(&mut self, visitor: Draw, rollout: u64, firsts: Firsts) -> bool {
        let key = visitor.0 ^ rollout;
        let slot = self.slot(key);
        slot.0 == key && firsts.0 & !slot.1 == 0
    }

    /// Remembers it, and says whether it was known.
    pub(crate) fn remember(&mut self, visitor: Draw, rollout: u64, firsts: Firsts) -> bool {
        let known = self.recalls(visitor, rollout, firsts);
        let key = visitor.0 ^ rollout;
        let slot = self.slot(key);
        *slot = (key, firsts.0 | if slot.0 == key { slot.1 } else { 0 });
        known
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recalls_only_what_was_told() {
        let mut memory = Memory::default();
        let met = Firsts::of(0, false, false).unwrap();
        let failed = Firsts::of(0, true, false).unwrap();
        assert!(!memory.remember(Draw(5), 9, met));
        assert!(memory.remember(Draw(5), 9, met));
        assert!(!memory.recalls(Draw(5), 9, failed));
        assert!(!memory.remember(Draw(5), 9, failed));
        assert!(memory.recalls(Draw(5), 9, met));
        assert!(!memory.recalls(Draw(5), 10, met));
    }

    #[test]
    fn firsts_add_up_to_facts() {
        let facts =
            Facts { rollout: 9, first_epoch: 1, first_seen: 5, first_arm: 0, met: 1, failed: false, converted: false };
        let after = Firsts::of(1, true, false).unwrap().added_to(facts);
        assert_eq!((after.met, after.failed, after.converted), (3, true, false));
        assert_eq!(Firsts::of(14, false, false), None);
    }
}

//! What the kernel says a group of processes used: CPU time and memory.

use std::fs;

use super::{Failure, Result};

/// The kernel reports CPU time to programs in 1/100 s, whatever its own clock is.
pub(crate) const TICK_MICROSECONDS: u64 = 10_000;

/// What a process group has used up to now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    /// User and system time of every process of the group, in ticks.
    pub(crate) cpu_ticks: u64,
    /// Proportional resident memory: a page that several processes share counts once.
    pub(crate) memory_bytes: u64,
}

impl Usage {
    /// Reads it for all processes of the group, the leader's children included.
    pub(crate) fn of_group(group: u32) -> Result<Self> {
        let mut sum = Self::default();
        for entry in fs::read_dir("/proc")? {
            let entry = entry?;
            let is_process = entry.file_name().as_encoded_bytes().iter().all(u8::is_ascii_digit);
            if !is_process {
                continue;
            }
            // A process may end between the listing and the reading: then it counts no more.
            let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else {
                continue;
            };
            let Some(stat) = ProcessStat::parse(&stat).filter(|stat| stat.group == group) else {
                continue;
            };
            let rollup = fs::read_to_string(entry.path().join("smaps_rollup"))?;
            sum.cpu_ticks += stat.cpu_ticks;
            sum.memory_bytes += proportional_bytes(&rollup).ok_or("smaps_rollup without Pss")?;
        }
        Ok(sum)
    }
}

/// The two facts taken from `/proc/<pid>/stat`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ProcessStat {
    group: u32,
    cpu_ticks: u64,
}

impl ProcessStat {
    /// proc(5): the name in parentheses may itself hold spaces and parentheses.
    fn parse(text: &str) -> Option<Self> {
        let (_, after_name) = text.rsplit_once(')')?;
        let fields: Vec<&str> = after_name.split_ascii_whitespace().collect();
        // Field 3 (the state) is the first behind the name.
        let field = |number: usize| fields.get(number - 3).copied();
        let user: u64 = field(14)?.parse().ok()?;
        let system: u64 = field(15)?.parse().ok()?;
        Some(Self { group: field(5)?.parse().ok()?, cpu_ticks: user + system })
    }
}

fn proportional_bytes(rollup: &str) -> Option<u64> {
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

/// How long one core has been busy, with whatever, and how long its host took it away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CoreTime {
    pub(crate) busy_ticks: u64,
    pub(crate) stolen_ticks: u64,
}

impl CoreTime {
    /// Reads it from `/proc/stat`.
    pub(crate) fn of(core: usize) -> Result<Self> {
        let text = fs::read_to_string("/proc/stat")?;
        Self::parse(&text, core).ok_or_else(|| Failure::from(format!("/proc/stat tells nothing of cpu{core}")))
    }

    fn parse(text: &str, core: usize) -> Option<Self> {
        let name = format!("cpu{core}");
        let mut fields = text
            .lines()
            .map(str::split_ascii_whitespace)
            .find_map(|mut fields| (fields.next()? == name).then_some(fields))?
            .map(|field| field.parse::<u64>().ok());
        let mut next = || fields.next().flatten();
        let (user, nice, system) = (next()?, next()?, next()?);
        let (_idle, _waiting) = (next()?, next()?);
        let (interrupts, soft_interrupts, stolen) = (next()?, next()?, next()?);
        Some(Self { busy_ticks: user + nice + system + interrupts + soft_interrupts, stolen_ticks: stolen })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_name_may_look_like_anything() {
        let rest = "S 1 4242 7 0 -1 4194560 1 2 3 4 150 27 11 12 20 0 1 0 9 1 2";
        for name in ["nginx", "nginx: worker", "a) S 1 1 (b"] {
            let stat = ProcessStat::parse(&format!("99 ({name}) {rest}"));
            let expected = ProcessStat { group: 4242, cpu_ticks: 177 };
            assert_eq!(stat, Some(expected), "{name}");
        }
    }

    #[test]
    fn a_truncated_stat_is_none() {
        assert_eq!(ProcessStat::parse("99 (nginx) S 1 4242"), None);
        assert_eq!(ProcessStat::parse(""), None);
    }

    #[test]
    fn memory_is_the_proportional_set() {
        let rollup = "55-7f ---p 0 00:00 0 [rollup]\nRss:    1748 kB\nPss:     477 kB\nPss_Anon: 1 kB\n";
        assert_eq!(proportional_bytes(rollup), Some(477 * 1024));
        assert_eq!(proportional_bytes("Rss: 1 kB\n"), None);
    }

    #[test]
    fn a_core_is_found_by_its_whole_name() {
        let text = "cpu  9 9 9 9 9 9 9 9 9 9\ncpu1 10 1 20 500 5 2 3 4 0 0\ncpu11 1 1 1 1 1 1 1 1 1 1\nintr 1\n";
        let expected = CoreTime { busy_ticks: 36, stolen_ticks: 4 };
        assert_eq!(CoreTime::parse(text, 1), Some(expected));
        assert_eq!(CoreTime::parse(text, 2), None);
    }

    #[test]
    fn our_own_group_has_used_memory() {
        let stat = fs::read_to_string("/proc/self/stat").unwrap();
        let group = ProcessStat::parse(&stat).unwrap().group;
        assert!(Usage::of_group(group).unwrap().memory_bytes > 100_000);
    }
}

//! The machine in one line: figures from different machines are not comparable.

use std::fs;

/// Processor, kernel and TCP's congestion control, which also costs CPU time on loopback.
pub(crate) fn machine() -> String {
    let cpus = read("/proc/cpuinfo");
    let processor = processor(&cpus).unwrap_or("unknown processor");
    let kernel = read("/proc/sys/kernel/osrelease");
    let congestion = read("/proc/sys/net/ipv4/tcp_congestion_control");
    format!("{processor}, Linux {}, TCP {}", kernel.trim(), congestion.trim())
}

/// What cannot be read is left out: nothing but a heading depends on it.
fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

fn processor(cpus: &str) -> Option<&str> {
    let line = cpus.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processor_is_named_once() {
        let cpus = "processor\t: 0\nmodel name\t: AMD EPYC\nprocessor\t: 1\nmodel name\t: AMD EPYC\n";
        assert_eq!(processor(cpus), Some("AMD EPYC"));
        assert_eq!(processor("processor : 0\n"), None);
    }
}

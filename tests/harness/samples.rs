//! What a scrape says, and how far chance may carry a count.

use std::collections::BTreeMap;

/// The samples of one scrape.
pub(crate) struct Samples(Vec<(String, BTreeMap<String, String>, f64)>);

impl Samples {
    /// Reads the text of a scrape.
    pub(crate) fn parse(text: &str) -> Self {
        assert!(text.ends_with("# EOF\n"), "a scrape ends with its mark");
        Self(text.lines().filter(|line| !line.starts_with('#')).map(sample).collect())
    }

    /// The sum of all samples with this name and these labels.
    pub(crate) fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let has = |own: &BTreeMap<String, String>| {
            labels.iter().all(|(label, value)| own.get(*label).is_some_and(|own| own == value))
        };
        let found = self.0.iter().filter(|(own, labels, _)| own == name && has(labels));
        found.fold(0.0, |sum, (_, _, value)| sum + value)
    }

    /// The sum as a whole number.
    pub(crate) fn count(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        let sum = self.sum(name, labels);
        format!("{sum}").parse().unwrap_or_else(|_| panic!("{name} is {sum}"))
    }

    /// The cumulative buckets of the only histogram with this name, by their upper edges.
    pub(crate) fn buckets(&self, name: &str) -> Vec<(f64, u64)> {
        let name = format!("{name}_bucket");
        let own = self.0.iter().filter(|(own, _, _)| *own == name);
        own.map(|(_, labels, value)| (labels["le"].parse().unwrap(), format!("{value}").parse().unwrap())).collect()
    }

    /// The values that a label has.
    pub(crate) fn values_of(&self, label: &str) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(move |(_, labels, _)| labels.get(label).map(String::as_str))
    }

    /// How many series there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

fn sample(line: &str) -> (String, BTreeMap<String, String>, f64) {
    let (series, value) = line.rsplit_once(' ').expect("a sample");
    let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
    let labels = labels.strip_suffix('}').expect("labels end");
    let pairs = labels.split("\",").filter(|pair| !pair.is_empty());
    let labels = pairs.map(|pair| {
        let (label, value) = pair.split_once("=\"").expect("a label");
        (label.to_owned(), value.trim_end_matches('"').to_owned())
    });
    (name.to_owned(), labels.collect(), value.parse().expect("a number"))
}

/// The counts between which a binomial variable of `n` trials with chance `p` lies with 99.9%.
pub(crate) fn binomial_bounds(n: u32, p: f64) -> (u32, u32) {
    let tail = 0.0005;
    let mut cumulative = 0.0;
    let mut low = None;
    // The probability of k successes, from that of k - 1; in logarithms, because the first ones are tiny.
    let mut log = f64::from(n) * (1.0 - p).ln();
    for k in 0..=n {
        cumulative += log.exp();
        if low.is_none() && cumulative > tail {
            low = Some(k);
        }
        if cumulative >= 1.0 - tail {
            return (low.unwrap_or(0), k);
        }
        log += (f64::from(n - k) / f64::from(k + 1) * p / (1.0 - p)).ln();
    }
    (low.unwrap_or(0), n)
}

#[test]
fn bounds_are_those_of_the_binomial_distribution() {
    assert_eq!(binomial_bounds(10, 0.5), (0, 10));
    assert_eq!(binomial_bounds(1_000, 0.5), (448, 552));
    assert_eq!(binomial_bounds(10_000, 0.001), (2, 22));
}

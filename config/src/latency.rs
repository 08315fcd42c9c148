//! Latency buckets: geometric with ratio 2^(1/4), fine enough to judge a p99 within 19%. A proxy counts in them and a
//! controller judges by them, so both must mean the same edges.

/// Number of bucket edges.
pub const EDGES: usize = 69;

/// Upper bucket edges in seconds: 1 ms to 131 s, each 2^(1/4) times the one before.
///
/// Bucket `i` counts latencies above edge `i - 1` up to and including edge `i`; one more bucket
/// counts everything above the last edge.
pub const EDGES_SECONDS: [f64; EDGES] = edges();

/// Number of buckets: one below each edge and one above the last.
pub const BUCKETS: usize = EDGES + 1;

const fn edges() -> [f64; EDGES] {
    // Quarter powers of 2 as literals: a power function is not constant, and every fourth edge
    // is to be an exact double.
    let quarters = [1.0, 1.189_207_115_002_721, std::f64::consts::SQRT_2, 1.681_792_830_507_429];
    let mut result = [0.0; EDGES];
    let mut octave = 0.001;
    let mut i = 0;
    while i < EDGES {
        result[i] = octave * quarters[i % 4];
        if i % 4 == 3 {
            octave *= 2.0;
        }
        i += 1;
    }
    result
}

//! Sizes of flows, as points of their cumulative distribution.
//!
//! Between two points a size is uniform (the inverse of the distribution, interpolated linearly), as in the public
//! traffic generators that the published tables come from, so the mean has a closed form: the middle of each pair of
//! points, weighted with its probability. Leaves out: correlation between successive sizes.

/// A size, and the probability that a flow is no larger.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SizePoint {
    /// The size in bytes.
    pub bytes: u64,
    /// The probability, from 0 at the first point to 1 at the last.
    pub probability: f64,
}

/// A distribution of flow sizes.
#[derive(Clone, Debug, PartialEq)]
pub struct SizeTable {
    points: Vec<SizePoint>,
}

/// Bulk data of other jobs on such a cluster: checkpoint shards, buckets of gradients, KV caches. Chosen by us: each
/// doubling from 64 MB to 1,024 MB is equally likely, mean 360 MB.
const BULK: [(u64, f64); 5] =
    [(64_000_000, 0.0), (128_000_000, 0.25), (256_000_000, 0.5), (512_000_000, 0.75), (1_024_000_000, 1.0)];

/// Web search, mean 1.71 MB: Alizadeh et al., "Data Center TCP (DCTCP)", SIGCOMM 2010, fig. 4, in the points of
/// `conf/DCTCP_CDF.txt` of github.com/HKUST-SING/TrafficGenerator, which are those of
/// `traffic_gen/WebSearch_distribution.txt` of github.com/alibaba-edu/High-Precision-Congestion-Control.
const WEB_SEARCH: [(u64, f64); 12] = [
    (0, 0.0),
    (10_000, 0.15),
    (20_000, 0.2),
    (30_000, 0.3),
    (50_000, 0.4),
    (80_000, 0.53),
    (200_000, 0.6),
    (1_000_000, 0.7),
    (2_000_000, 0.8),
    (5_000_000, 0.9),
    (10_000_000, 0.97),
    (30_000_000, 1.0),
];

/// Data mining, mean 12.66 MB: Greenberg et al., "VL2", SIGCOMM 2009, fig. 2, in the points of `conf/VL2_CDF.txt` of
/// github.com/HKUST-SING/TrafficGenerator.
const DATA_MINING: [(u64, f64); 13] = [
    (0, 0.0),
    (180, 0.1),
    (216, 0.2),
    (560, 0.3),
    (900, 0.4),
    (1_100, 0.5),
    (1_870, 0.6),
    (3_160, 0.7),
    (10_000, 0.8),
    (400_000, 0.9),
    (3_160_000, 0.95),
    (100_000_000, 0.98),
    (1_000_000_000, 1.0),
];

/// Hadoop, mean 120 kB: Roy et al., "Inside the Social Network's (Datacenter) Network", SIGCOMM 2015, fig. 6, in the
/// points of `traffic_gen/FbHdp_distribution.txt` of github.com/alibaba-edu/High-Precision-Congestion-Control.
const HADOOP: [(u64, f64); 20] = [
    (0, 0.0),
    (100, 0.01),
    (200, 0.02),
    (300, 0.05),
    (350, 0.15),
    (400, 0.2),
    (500, 0.3),
    (600, 0.4),
    (700, 0.5),
    (1_000, 0.6),
    (2_000, 0.67),
    (7_000, 0.7),
    (30_000, 0.72),
    (50_000, 0.82),
    (80_000, 0.87),
    (120_000, 0.9),
    (300_000, 0.95),
    (1_000_000, 0.975),
    (2_000_000, 0.99),
    (10_000_000, 1.0),
];

impl SizeTable {
    /// Names of the tables that are known.
    pub const NAMES: [&'static str; 4] = ["bulk", "web_search", "data_mining", "hadoop"];

    /// The known table of that name.
    pub fn named(name: &str) -> Option<Self> {
        let points: &[(u64, f64)] = match name {
            "bulk" => &BULK,
            "web_search" => &WEB_SEARCH,
            "data_mining" => &DATA_MINING,
            "hadoop" => &HADOOP,
            _ => return None,
        };
        let points = points.iter().map(|&(bytes, probability)| SizePoint { bytes, probability }).collect();
        Some(Self::new(points).expect("a known table is valid"))
    }

    /// The table of `points`.
    ///
    /// # Errors
    /// What is wrong, in words: fewer than two points, a size that falls, a probability that does not rise, or a
    /// first or last probability other than 0 and 1. Two points of one size are a jump: that size itself is likely.
    pub fn new(points: Vec<SizePoint>) -> Result<Self, String> {
        let [first, .., last] = points.as_slice() else {
            return Err(format!("{} points; allowed: at least 2", points.len()));
        };
        // The two ends are written, not computed.
        if first.probability.total_cmp(&0.0).is_ne() {
            return Err(format!("the first probability is {}; allowed: 0", first.probability));
        }
        if last.probability.total_cmp(&1.0).is_ne() {
            return Err(format!("the last probability is {}; allowed: 1", last.probability));
        }
        for pair in points.windows(2) {
            let [low, high] = [pair[0], pair[1]];
            if high.probability.total_cmp(&low.probability).is_le() {
                let (low, high) = (low.probability, high.probability);
                return Err(format!("probability {high} follows {low}; allowed: a larger one"));
            }
            if high.bytes < low.bytes {
                return Err(format!("{} bytes follow {}; allowed: as many or more", high.bytes, low.bytes));
            }
        }
        Ok(Self { points })
    }

    /// The mean size in bytes.
    pub fn mean_bytes(&self) -> f64 {
        let weighted = |pair: &[SizePoint]| {
            (pair[1].probability - pair[0].probability) * (pair[0].bytes as f64 + pair[1].bytes as f64) / 2.0
        };
        self.points.windows(2).map(weighted).sum()
    }

    /// The largest size in bytes.
    pub fn max_bytes(&self) -> u64 {
        self.points.last().expect("a table has points").bytes
    }

    /// The size in bytes that a share `unit` of the flows, in [0, 1), is no larger than.
    pub fn quantile_bytes(&self, unit: f64) -> f64 {
        let above = self.points.partition_point(|point| point.probability <= unit);
        let (low, high) = (self.points[above - 1], self.points[above]);
        let share = (unit - low.probability) / (high.probability - low.probability);
        low.bytes as f64 + (high.bytes - low.bytes) as f64 * share
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use netkv_units::Stream;

    fn table(points: &[(u64, f64)]) -> Result<SizeTable, String> {
        SizeTable::new(points.iter().map(|&(bytes, probability)| SizePoint { bytes, probability }).collect())
    }

    #[test]
    fn known_tables_have_the_means_that_their_documentation_says() {
        let means = SizeTable::NAMES.map(|name| SizeTable::named(name).expect("a known name").mean_bytes());
        for (mean, expect) in means.into_iter().zip([360e6, 1_711_250.0, 12_658_198.6, 120_420.75]) {
            assert!((mean / expect - 1.0).abs() < 1e-6, "{means:?}");
        }
        assert_eq!(SizeTable::named("websearch"), None);
    }

    #[test]
    fn samples_have_the_mean_and_the_quantiles_of_their_table() {
        for name in SizeTable::NAMES {
            let table = SizeTable::named(name).expect("a known name");
            let mut stream = Stream::new(5, "sizes");
            let n = 400_000;
            let sample: Vec<f64> = (0..n).map(|_| table.quantile_bytes(stream.unit())).collect();
            let mean = sample.iter().sum::<f64>() / f64::from(n);
            assert!((mean / table.mean_bytes() - 1.0).abs() < 0.02, "{name}: {mean} {}", table.mean_bytes());
            for point in &table.points {
                let share = sample.iter().filter(|&&size| size <= point.bytes as f64).count() as f64 / f64::from(n);
                assert!((share - point.probability).abs() < 0.003, "{name}: {point:?} has {share}");
            }
        }
    }

    #[test]
    fn sizes_between_two_points_are_interpolated_and_a_jump_is_one_size() {
        let table = table(&[(100, 0.0), (200, 0.5), (200, 0.75), (1_000, 1.0)]).expect("a valid table");
        let sizes = [0.0, 0.25, 0.5, 0.6, 0.75, 0.875].map(|unit| table.quantile_bytes(unit));
        assert_eq!(sizes.map(|size| size as u64), [100, 150, 200, 200, 200, 600]);
        assert!((table.mean_bytes() - (75.0 + 50.0 + 150.0)).abs() < 1e-9);
        assert_eq!(table.max_bytes(), 1_000);
    }

    #[test]
    fn a_table_that_is_no_distribution_is_told_what_is_wrong() {
        let error = |points: &[(u64, f64)]| table(points).expect_err("it is wrong");
        assert_eq!(error(&[(5, 1.0)]), "1 points; allowed: at least 2");
        assert_eq!(error(&[(5, 0.1), (6, 1.0)]), "the first probability is 0.1; allowed: 0");
        assert_eq!(error(&[(5, 0.0), (6, 0.9)]), "the last probability is 0.9; allowed: 1");
        let falling = [(5, 0.0), (6, 0.5), (7, 0.5), (8, 1.0)];
        assert_eq!(error(&falling), "probability 0.5 follows 0.5; allowed: a larger one");
        assert_eq!(error(&[(5, 0.0), (4, 1.0)]), "4 bytes follow 5; allowed: as many or more");
    }
}

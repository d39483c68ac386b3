//! Names of keys: what a mistyped one was meant to be, and the unit that the end of one tells.

/// Units by the ends of keys, longer ends first.
const UNITS: &[(&str, &str)] = &[
    ("_gbytes_per_s", "GB/s"),
    ("_tokens_per_s", "tokens/s"),
    ("_blocks_per_s", "blocks/s"),
    ("_gb_per_gpu", "GB per GPU"),
    ("_requests", "requests"),
    ("_tokens", "tokens"),
    ("_bytes", "bytes"),
    ("_us_per_descriptor", "us"),
    ("_ratio", "1"),
    ("_gbps", "Gbit/s"),
    ("_rps", "requests/s"),
    ("_gb", "GB"),
    ("_us", "us"),
    ("_ms", "ms"),
    ("_s", "s"),
];

/// The unit of what a key holds, by its end; "-" if that tells none.
pub fn unit_of_key(key: &str) -> &'static str {
    UNITS.iter().find(|(end, _)| key.ends_with(end)).map_or("-", |(_, unit)| unit)
}

/// The name nearest to `name` by edit distance, if it is near enough to be what was meant; else the first of which it is a
/// part between dots, as `policy` is of `policy.name`.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (name.chars().count() / 3).max(2);
    let (mut near, mut whole) = (None, None);
    for candidate in candidates {
        let distance = edit_distance(name, candidate);
        if distance <= limit && near.is_none_or(|best| (distance, candidate) < best) {
            near = Some((distance, candidate));
        }
        if whole.is_none() && candidate.split('.').any(|part| part == name) {
            whole = Some(candidate);
        }
    }
    near.map(|(_, candidate)| candidate).or(whole)
}

/// Characters to insert, remove, replace or swap with their neighbour to get from one word to the other
/// (optimal string alignment).
fn edit_distance(from: &str, to: &str) -> usize {
    let (from, to): (Vec<char>, Vec<char>) = (from.chars().collect(), to.chars().collect());
    let mut rows = vec![vec![0; to.len() + 1]; from.len() + 1];
    rows[0] = (0..=to.len()).collect();
    for row in 1..=from.len() {
        rows[row][0] = row;
        for column in 1..=to.len() {
            let replaced = rows[row - 1][column - 1] + usize::from(from[row - 1] != to[column - 1]);
            let mut least = replaced.min(rows[row - 1][column] + 1).min(rows[row][column - 1] + 1);
            let swapped = row > 1 && column > 1 && from[row - 1] == to[column - 2] && from[row - 2] == to[column - 1];
            if swapped {
                least = least.min(rows[row - 2][column - 2] + 1);
            }
            rows[row][column] = least;
        }
    }
    rows[from.len()][to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_forgives_typos_but_not_other_words() {
        let names = ["policy.name", "policy.cache_weight", "fabric.nic_gbps"];
        assert_eq!(nearest("policy.nmae", names), Some("policy.name"));
        assert_eq!(nearest("fabric.nic_gpbs", names), Some("fabric.nic_gbps"));
        assert_eq!(nearest("telemetry.staleness_s", names), None);
        assert_eq!(nearest("policy", names), Some("policy.name"), "a part of it, the first that has it");
        assert_eq!(nearest("nic_gbps", names), Some("fabric.nic_gbps"));
    }
}

//! `[sample]`: some points of a product that is too large to be run whole.
//!
//! `[sample] points = 96, seed = 1, axes = ["placement", "fabric.nic_gbps", ...]` takes so many points of the product of
//! these axes, as a Latin hypercube: on each axis every value comes up equally often (as nearly as the numbers go), in an
//! order of its own that the seed draws. The axes that it does not name are crossed with the points as ever. No point is
//! there twice.

use super::axis::Axis;
use super::group::Factor;
use crate::issue::{Issue, Origin, nearest, with_suggestion};
use crate::reader::{Reader, list};
use crate::tree::{Content, Node, Table};
use netkv_units::Stream;
use std::collections::{BTreeMap, BTreeSet};

/// Most points of a sample. Chosen by us.
const MAX_POINTS: u64 = 1_000_000;
/// Exchanges for each point after which a sample without equal points is given up. Chosen by us.
const MOST_EXCHANGES: usize = 1_000;
const KEYS: [&str; 3] = ["points", "seed", "axes"];

/// Makes one factor of those that the sample names, in place of the first of them.
pub(super) fn apply(tree: &Table, axes: &[Axis], factors: &mut Vec<Factor>, file: &Origin, issues: &mut Vec<Issue>) {
    let Some(node) = tree.get("sample") else { return };
    let Content::Table(table) = &node.content else {
        issues.push(Issue::new(&node.key_origin, "sample is a table; write [sample]"));
        return;
    };
    for (name, node) in table.iter().filter(|(name, _)| !KEYS.contains(&name.as_str())) {
        let message = with_suggestion(&format!("{name} is not a known key of sample"), nearest(name, KEYS));
        issues.push(Issue::new(&node.key_origin, message));
    }
    let mut reader = Reader::new(tree, file, "");
    let points = reader.integer("sample.points", 1, MAX_POINTS);
    let seed = reader.integer("sample.seed", 0, u64::from(u32::MAX));
    let named = reader.node("sample.axes").map(|node| named_axes(node, axes, &mut reader));
    issues.extend(reader.found());
    let (Some(points), Some(seed), Some(Some(named))) = (points, seed, named) else { return };
    let (mut sampled, others): (Vec<_>, Vec<_>) =
        factors.drain(..).partition(|factor| factor.axes.iter().any(|axis| named.contains(axis)));
    let first = others.iter().filter(|other| other.axes[0] < sampled[0].axes[0]).count();
    match draw(&sampled, points as usize, seed) {
        Ok(rows) => {
            let axes = sampled.drain(..).flat_map(|factor| factor.axes).collect();
            *factors = others;
            factors.insert(first, Factor { axes, rows, is_sample: true });
        }
        Err(message) => issues.push(Issue::new(&node.key_origin, message)),
    }
}

/// Positions of the axes that are named; none if something is wrong.
fn named_axes(node: &Node, axes: &[Axis], reader: &mut Reader<'_>) -> Option<BTreeSet<usize>> {
    let Some(items) = list(node).filter(|items| !items.is_empty()) else {
        return reader.refuse("sample.axes", node, "a list of axes");
    };
    let mut named = BTreeSet::new();
    for item in items {
        let Content::Text(key) = &item.content else {
            return reader.refuse("sample.axes", item, "names of axes");
        };
        let Some(at) = axes.iter().position(|axis| axis.key == *key) else {
            let names: Vec<&str> = axes.iter().map(|axis| axis.key.as_str()).collect();
            let message = format!("sample.axes names {key}, which is no axis; the axes: {}", names.join(", "));
            reader.fail_at(item, &with_suggestion(&message, nearest(key, names)));
            return None;
        };
        if !named.insert(at) {
            reader.fail_at(item, &format!("sample.axes names {key} twice"));
            return None;
        }
    }
    Some(named)
}

/// The rows of the sample: for each point the positions on all axes of `factors`.
fn draw(factors: &[Factor], points: usize, seed: u64) -> Result<Vec<Vec<usize>>, String> {
    let all = factors.iter().try_fold(1_usize, |all, factor| all.checked_mul(factor.rows.len()));
    if let Some(all) = all.filter(|&all| all < points) {
        return Err(format!("sample.points = {points} of a product of {all} points; allowed: at most {all}"));
    }
    let mut stream = Stream::new(seed, "sample");
    let mut columns = Vec::new();
    for factor in factors {
        let mut column: Vec<usize> = (0..points).map(|point| point * factor.rows.len() / points).collect();
        stream.shuffle(&mut column);
        columns.push(column);
    }
    if !tell_apart(&mut columns, points, &mut stream) {
        return Err(format!(
            "found no sample of {points} points without equal ones; ask for less, or run the whole product"
        ));
    }
    let row = |point: usize| factors.iter().zip(&columns).flat_map(move |(factor, column)| &factor.rows[column[point]]);
    Ok((0..points).map(|point| row(point).copied().collect()).collect())
}

/// Exchanges values of equal points with others', column by column, until there are none; false if that takes too long.
fn tell_apart(columns: &mut [Vec<usize>], points: usize, stream: &mut Stream) -> bool {
    let row = |columns: &[Vec<usize>], point: usize| columns.iter().map(|column| column[point]).collect::<Vec<_>>();
    let mut times: BTreeMap<Vec<usize>, usize> = BTreeMap::new();
    for point in 0..points {
        *times.entry(row(columns, point)).or_default() += 1;
    }
    let mut left = points * MOST_EXCHANGES;
    while times.len() < points {
        for point in 0..points {
            while times[&row(columns, point)] > 1 {
                if left == 0 {
                    return false;
                }
                left -= 1;
                let other = stream.below(points as u64) as usize;
                let column = stream.below(columns.len() as u64) as usize;
                if point == other {
                    continue;
                }
                for changed in [point, other] {
                    let before = row(columns, changed);
                    let n = times.get_mut(&before).expect("every point is counted");
                    *n -= 1;
                    if *n == 0 {
                        times.remove(&before);
                    }
                }
                columns[column].swap(point, other);
                for changed in [point, other] {
                    *times.entry(row(columns, changed)).or_default() += 1;
                }
            }
        }
    }
    true
}

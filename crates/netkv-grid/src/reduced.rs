//! A smaller version of an experiment, for a first look, and what it lacks of the whole.

use crate::axes::{AxisValue, Grid};
use crate::issue::{Issue, Origin};
use crate::tree::{self, Content, Node, Table};

/// Values of an axis that a line names. Chosen by us: what fits.
const MAX_NAMED: usize = 6;

/// A smaller version of an experiment, for a first look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reduction {
    /// Keeps the first so many seeds.
    pub max_seeds: usize,
    /// Keeps the first so many requests of each cell.
    pub max_requests: u32,
}

/// What a smaller version lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reduced {
    parts: Vec<String>,
}

impl Reduced {
    /// That of a grid of which `kept` is left.
    pub(crate) fn new(
        n_seeds: usize,
        reduction: &Reduction,
        max_requests: Option<u32>,
        whole: &Grid,
        kept: &Grid,
    ) -> Self {
        let mut parts = Vec::new();
        if n_seeds > reduction.max_seeds {
            parts.push(format!("{} of {n_seeds} seeds", reduction.max_seeds));
        }
        parts.extend(max_requests.map(|n| format!("at most {n} requests")));
        for (all, left) in whole.factors().iter().zip(kept.factors()) {
            if all.rows.len() == left.rows.len() {
                continue;
            }
            if all.is_sample {
                parts.push(format!("{} of {} sampled points", left.rows.len(), all.rows.len()));
                continue;
            }
            for &axis in &all.axes {
                let kept = &kept.axes()[axis].values;
                let axis = &whole.axes()[axis];
                let lost = axis.values.iter().filter(|value| !kept.contains(value)).collect::<Vec<_>>();
                parts.push(format!("{} without {}", axis.key, listed(&lost)));
            }
        }
        Self { parts }
    }

    /// "2 of 5 seeds, at most 1200 requests, decode.max_batch without 8, 16"; none if nothing is left out.
    pub fn words(&self) -> Option<String> {
        (!self.parts.is_empty()).then(|| self.parts.join(", "))
    }
}

/// A value as a person writes it: "200" for 200.0.
fn plain(value: &AxisValue) -> String {
    match value {
        AxisValue::Float(number) => number.to_string(),
        AxisValue::Integer(_) | AxisValue::Text(_) | AxisValue::Flag(_) => value.to_string(),
    }
}

/// The values, or the first of them and how many more.
fn listed(values: &[&AxisValue]) -> String {
    let named: Vec<String> = values.iter().take(MAX_NAMED).map(|value| plain(value)).collect();
    let more = values.len() - named.len();
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    format!("{}{more}", named.join(", "))
}

/// Fewer values of numeric axes, of which some must be left.
pub(crate) fn thinned(mut grid: Grid, file: &Origin) -> Result<Grid, Vec<Issue>> {
    grid.thin();
    if grid.n_points() == Some(0) {
        let message = "the reduced version has no point: exclude leaves out all that it keeps of the axes";
        return Err(vec![Issue::new(file, message)]);
    }
    Ok(grid)
}

/// A warm-up of so many seconds or more is what an experiment is built on, and stays as it is when it is reduced.
const LONG_WARMUP_S: f64 = 600.0;

/// Fewer requests, as if the file said so. Seeds and axes are cut where they are read. A warm-up of some seconds would
/// outlast a reduced run of many short prompts: it becomes a tenth of the time in which requests arrive.
/// The most requests that are left, unless the file itself asks for as few.
pub(crate) fn reduce(base: &mut Table, reduction: &Reduction) -> Option<u32> {
    let requests = i64::from(reduction.max_requests);
    let mut is_cut = false;
    if let Some(node) = tree::get(base, "workload.max_requests").cloned() {
        let own = whole(&node).filter(|&own| own > 0);
        let kept = own.map_or(requests, |own| own.min(requests));
        is_cut = own != Some(kept);
        tree::set(base, "workload.max_requests", Node { content: Content::Integer(kept), ..node });
    }
    let is_long = tree::get(base, "measure.warmup_s").and_then(number).is_none_or(|warmup_s| warmup_s >= LONG_WARMUP_S);
    let share = tree::get(base, "measure.warmup_share_ratio").cloned();
    if let (false, Some(share), Some(kind)) = (is_long, share, tree::get(base, "measure.warmup").cloned())
        && matches!(&kind.content, Content::Text(text) if text == "seconds")
    {
        tree::set(base, "measure.warmup", Node { content: Content::Text("share".to_owned()), ..kind });
        tree::set(base, "measure.warmup_share_ratio", Node { content: Content::Float(0.1), ..share });
    }
    is_cut.then_some(reduction.max_requests)
}

fn whole(node: &Node) -> Option<i64> {
    match node.content {
        Content::Integer(value) => Some(value),
        Content::Table(_) | Content::List(_) | Content::Text(_) | Content::Float(_) | Content::Flag(_) => None,
    }
}

fn number(node: &Node) -> Option<f64> {
    match node.content {
        Content::Integer(value) => Some(value as f64),
        Content::Float(value) => Some(value),
        Content::Table(_) | Content::List(_) | Content::Text(_) | Content::Flag(_) => None,
    }
}

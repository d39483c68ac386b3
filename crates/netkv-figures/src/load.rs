//! What the heat map is drawn from: the use of each link in each window of time, as rows and columns of a picture.

use anyhow::{Context, Result, ensure};
use netkv_frames::Table;
use std::collections::BTreeSet;

/// Rows that can still be told apart on a page.
const MAX_ROWS: usize = 420;

/// Shares of capacity: all traffic, and KV transfers alone.
pub(crate) type Use = [f64; 2];

/// A directed link, or what links are averaged over.
#[derive(Clone, Debug, PartialEq)]
struct Link {
    kind: String,
    direction: String,
    pod: i64,
    rack: Option<i64>,
}

/// The use of links over time.
pub(crate) struct Load {
    links: Vec<Link>,
    /// Start and end of each window, in seconds.
    windows: Vec<(f64, f64)>,
    /// Window after window, one for each link.
    uses: Vec<Use>,
}

/// Rows of one kind and direction, from top to bottom.
pub(crate) struct Block {
    pub(crate) kind: String,
    pub(crate) direction: String,
    /// Rows that belong together: a rack's, or a pod's; with the name of the group.
    pub(crate) groups: Vec<(String, Vec<Row>)>,
    /// Mean over its links and the whole run.
    pub(crate) mean: Use,
}

/// A row: the mean over some links of each column.
pub(crate) struct Row {
    pub(crate) uses: Vec<Use>,
}

/// A heat map's content.
pub(crate) struct Picture {
    pub(crate) blocks: Vec<Block>,
    /// Start and end of each column, in seconds.
    pub(crate) columns: Vec<(f64, f64)>,
    /// What a row is: "link", or what links are averaged over.
    pub(crate) row_is: &'static str,
}

/// What links a row stands for: these fields are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Detail {
    Link,
    Rack,
    Pod,
    Kind,
}

impl Load {
    /// Reads the tables of one cell's links, in order of time.
    pub(crate) fn read(tables: impl IntoIterator<Item = Table>) -> Result<Self> {
        let mut load = Self { links: Vec::new(), windows: Vec::new(), uses: Vec::new() };
        for table in tables {
            load.add(&table)?;
        }
        ensure!(!load.windows.is_empty() && !load.links.is_empty(), "there is no window of time to draw");
        let n_cells = load.windows.len() * load.links.len();
        ensure!(load.uses.len() == n_cells, "{} rows are not one for each link and window", load.uses.len());
        Ok(load)
    }

    fn add(&mut self, table: &Table) -> Result<()> {
        let number = |name: &str| table.numbers(name);
        let (ends, lengths) = (number("time_s")?, number("window_s")?);
        let (kv, background) = (number("kv_ratio")?, number("background_ratio")?);
        for at in 0..table.n_rows() {
            let value = |column: &[Option<f64>]| column[at].context("a row without its numbers");
            let (end, length) = (value(&ends)?, value(&lengths)?);
            if self.windows.last().is_none_or(|&(_, last)| last < end) {
                self.windows.push((end - length, end));
            }
            let (kv, background) = (value(&kv)?, value(&background)?);
            self.uses.push([kv + background, kv]);
        }
        if self.links.is_empty() {
            self.links = links(table)?;
        }
        Ok(())
    }

    /// Whether there is any background.
    pub(crate) fn has_background(&self) -> bool {
        self.uses.iter().any(|[all, kv]| all > kv)
    }

    /// The picture, with at most `max_columns` columns.
    pub(crate) fn picture(&self, max_columns: usize) -> Picture {
        let each = self.windows.len().div_ceil(max_columns);
        let spans: Vec<_> = (0..self.windows.len()).step_by(each).map(|first| (first, each)).collect();
        let end = |first: usize| (first + each).min(self.windows.len()) - 1;
        let columns = spans.iter().map(|&(first, _)| (self.windows[first].0, self.windows[end(first)].1)).collect();
        let details = [Detail::Link, Detail::Rack, Detail::Pod, Detail::Kind];
        let detail = details.into_iter().find(|&detail| self.rows(detail).len() <= MAX_ROWS).unwrap_or(Detail::Kind);
        let mut blocks: Vec<Block> = Vec::new();
        for row in self.rows(detail) {
            let link = &self.links[row[0]];
            if blocks.last().is_none_or(|block| block.kind != link.kind || block.direction != link.direction) {
                blocks.push(self.block(link));
            }
            let block = blocks.last_mut().expect("it was pushed");
            let name = match (link.rack, detail) {
                (_, Detail::Kind) => String::new(),
                (Some(rack), Detail::Link | Detail::Rack) => format!("leaf {rack}"),
                (Some(_) | None, _) => format!("pod {}", link.pod),
            };
            if block.groups.last().is_none_or(|group| group.0 != name) {
                block.groups.push((name, Vec::new()));
            }
            let uses = spans.iter().map(|&(first, _)| self.mean(&row, first, end(first))).collect();
            block.groups.last_mut().expect("it was pushed").1.push(Row { uses });
        }
        let row_is = match detail {
            Detail::Link => "a directed link",
            Detail::Rack => "the mean over the links of a leaf switch, or of a pod",
            Detail::Pod => "the mean over the links of a pod",
            Detail::Kind => "the mean over all links of its kind",
        };
        Picture { blocks, columns, row_is }
    }

    /// The links of each row, from top to bottom: the core first, the GPUs last.
    fn rows(&self, detail: Detail) -> Vec<Vec<usize>> {
        let level = |kind: &str| ["pod", "rack", "nic", "nvlink"].iter().position(|&other| other == kind);
        let mut keys = BTreeSet::new();
        for (index, link) in self.links.iter().enumerate() {
            let (pod, rack, own) = match detail {
                Detail::Link => (link.pod, link.rack, index),
                Detail::Rack => (link.pod, link.rack, 0),
                Detail::Pod => (link.pod, None, 0),
                Detail::Kind => (0, None, 0),
            };
            keys.insert(((level(&link.kind), link.direction != "up", pod, rack, own), index));
        }
        let mut rows: Vec<Vec<usize>> = Vec::new();
        let mut last = None;
        for (key, index) in keys {
            if last != Some(key) {
                rows.push(Vec::new());
            }
            rows.last_mut().expect("it was pushed").push(index);
            last = Some(key);
        }
        rows
    }

    /// The empty block that a link belongs to.
    fn block(&self, link: &Link) -> Block {
        let same = |other: &Link| other.kind == link.kind && other.direction == link.direction;
        let links: Vec<usize> = (0..self.links.len()).filter(|&index| same(&self.links[index])).collect();
        let mean = self.mean(&links, 0, self.windows.len() - 1);
        Block { kind: link.kind.clone(), direction: link.direction.clone(), groups: Vec::new(), mean }
    }

    /// Mean use of links of one capacity, from one window to another.
    fn mean(&self, links: &[usize], first: usize, last: usize) -> Use {
        let mut sum = [0.0; 2];
        for window in first..=last {
            let (start, end) = self.windows[window];
            for &link in links {
                let uses = self.uses[window * self.links.len() + link];
                sum = [sum[0] + uses[0] * (end - start), sum[1] + uses[1] * (end - start)];
            }
        }
        let whole = (self.windows[last].1 - self.windows[first].0) * links.len() as f64;
        sum.map(|sum| sum / whole)
    }
}

/// The links of a table's first window.
fn links(table: &Table) -> Result<Vec<Link>> {
    let (times, kinds) = (table.numbers("time_s")?, table.words("kind")?);
    let (directions, pods, racks) = (table.words("direction")?, table.numbers("pod")?, table.numbers("rack")?);
    let n_links = times.iter().take_while(|&time| *time == times[0]).count();
    let link = |at: usize| {
        Ok(Link {
            kind: kinds[at].clone(),
            direction: directions[at].clone(),
            pod: pods[at].context("a link without its pod")? as i64,
            rack: racks[at].map(|rack| rack as i64),
        })
    };
    (0..n_links).map(link).collect()
}

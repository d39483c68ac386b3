//! The points of a grid, each read and checked, with the key that its results are stored by.

use crate::axes::{AxisValue, Grid};
use crate::header::{OWN_KEYS, OWN_SECTIONS, WORD};
use crate::issue::{InputErrors, Issue, IssueTally, Origin};
use crate::library::Library;
use crate::profile::{LatencyRange, Profile};
use crate::spec::CellSpec;
use crate::tree::{self, Content, Table, push_toml_key};
use netkv_sim::SIM_EPOCH;
use netkv_units::{Digest, Digester};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Section and key of what names files that cells depend on: their content counts.
const FILE_NAMES: [(&str, &str); 5] = [
    ("workload", "trace"),
    ("model", "profile"),
    ("decode", "profile"),
    ("fabric", "topology"),
    ("background", "file"),
];

/// Points that one thread reads one after the other at least. Chosen by us: making the first tree costs a few points' time.
const STRETCH: usize = 64;

/// Points that are read at once. Chosen by us: what is wrong with them fits in memory.
const BLOCK: usize = 8192;

/// Is told how many points of how many are read, now and then.
pub type OnRead = Option<fn(usize, usize)>;

/// A point of the grid: one value of each axis.
#[derive(Clone, Debug)]
pub struct Point {
    values: Vec<AxisValue>,
    spec: CellSpec,
    /// The digest of all that its results depend on but the seed, in hexadecimal.
    key: String,
}

impl Point {
    /// Its value on each axis.
    pub fn axis_values(&self) -> &[AxisValue] {
        &self.values
    }

    /// Its scenario, without seed and requests.
    pub const fn spec(&self) -> &CellSpec {
        &self.spec
    }

    /// The key of its cell with this seed.
    pub(crate) fn key(&self, seed: u64) -> Digest {
        Digester::new().bytes(self.key.as_bytes()).u64(seed).finish()
    }
}

/// A profile that cells use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsedProfile {
    /// Its name in the experiment file.
    pub label: String,
    /// SHA-256 of its file.
    pub sha256: String,
    /// What cells ask of it that was not measured, in words: there latencies are extrapolated.
    pub outside_valid_range: Vec<String>,
}

/// Every point of the grid, or all that is wrong with any of them. They are read on all cores, block by block.
pub(crate) fn read_points(
    base: &Table,
    grid: &Grid,
    file: &Origin,
    library: &Library,
    on_read: OnRead,
) -> Result<Vec<Arc<Point>>, InputErrors> {
    let n = grid.n_points().expect("the size of the grid was checked");
    let base = without_own(base);
    let sections = grid.sections_of_values();
    let read = |trees: &mut Trees<'_>, point: usize| {
        trees.go_to(point);
        let spec = CellSpec::read(&trees.tree, file, library, trees.is_known)?;
        trees.is_known = true;
        let key = point_key(&trees.canonical(), &spec).to_string();
        Ok(Arc::new(Point { values: grid.values(point), spec, key }))
    };
    let mut points = Vec::with_capacity(n);
    let mut tally = IssueTally::default();
    for start in (0..n).step_by(BLOCK) {
        let block: Vec<Result<Arc<Point>, Vec<Issue>>> = (start..n.min(start + BLOCK))
            .into_par_iter()
            .with_min_len(STRETCH)
            .map_init(|| Trees::new(&base, grid, &sections), read)
            .collect();
        for (index, outcome) in block.into_iter().enumerate() {
            match outcome {
                Ok(point) => points.push(point),
                Err(issues) => tally.add(start + index, issues),
            }
        }
        if let Some(on_read) = on_read {
            on_read(n.min(start + BLOCK), n);
        }
    }
    tally.finish(|points| grid.circumstances(points))?;
    Ok(points)
}

/// A tree without what belongs to the experiment as a whole.
fn without_own(base: &Table) -> Table {
    let mut tree = base.clone();
    OWN_KEYS.iter().for_each(|key| tree::remove(&mut tree, key));
    tree
}

/// The trees of points, one after the other. Neighbours differ in values of axes, which set the same keys at every point: what
/// they do not set is kept from point to point, as a tree and as text. Another file of an axis starts anew.
struct Trees<'a> {
    base: &'a Table,
    grid: &'a Grid,
    /// The sections that values set keys of.
    sections: &'a [&'a str],
    files: Option<Vec<usize>>,
    tree: Table,
    /// Each part of the tree that cells depend on as canonical text "key = value", by key.
    texts: BTreeMap<String, String>,
    /// Whether no key of the tree is unknown.
    is_known: bool,
}

impl<'a> Trees<'a> {
    fn new(base: &'a Table, grid: &'a Grid, sections: &'a [&'a str]) -> Self {
        let (tree, texts) = (Table::new(), BTreeMap::new());
        Self { base, grid, sections, files: None, tree, texts, is_known: false }
    }

    fn go_to(&mut self, point: usize) {
        let coordinates = self.grid.coordinates(point);
        let files = Some(self.grid.files_at(&coordinates));
        let is_other = self.files != files;
        if is_other {
            self.tree = self.base.clone();
            self.grid.lay_files(&mut self.tree, &coordinates);
            self.tree.remove(WORD);
            self.files = files;
            self.is_known = false;
        }
        self.grid.set_values(&mut self.tree, &coordinates);
        if is_other {
            let keys: Vec<String> =
                self.tree.keys().filter(|key| !OWN_SECTIONS.contains(&key.as_str())).cloned().collect();
            self.texts = keys.into_iter().map(|key| (key, String::new())).collect();
            let keys: Vec<String> = self.texts.keys().cloned().collect();
            keys.iter().for_each(|key| self.write(key));
        } else {
            self.sections.iter().for_each(|key| self.write(key));
        }
    }

    /// Writes the text of one key of the tree anew. Names of files do not count, their content does.
    fn write(&mut self, key: &str) {
        let (Some(text), Some(node)) = (self.texts.get_mut(key), self.tree.get_mut(key)) else { return };
        let name = FILE_NAMES.iter().find(|(section, _)| *section == key).map(|(_, name)| *name);
        let taken = match (&mut node.content, name) {
            (Content::Table(table), Some(name)) => table.remove_entry(name),
            (Content::Table(_), None) => None,
            (Content::List(_) | Content::Text(_) | Content::Integer(_) | Content::Float(_) | Content::Flag(_), _) => {
                None
            }
        };
        text.clear();
        push_toml_key(text, key);
        text.push_str(" = ");
        node.content.write_canonical(text);
        if let (Content::Table(table), Some((name, taken))) = (&mut node.content, taken) {
            table.insert(name, taken);
        }
    }

    /// The tree on one line, as [`Content::canonical`] has a table.
    fn canonical(&self) -> String {
        let mut whole = String::with_capacity(self.texts.values().map(|text| text.len() + 2).sum::<usize>() + 2);
        for (index, text) in self.texts.values().enumerate() {
            whole.push_str(if index == 0 { "{ " } else { ", " });
            whole.push_str(text);
        }
        whole.push_str(" }");
        whole
    }
}

/// Everything that the results of a point depend on but the seed. Names of files do not count, their content does.
fn point_key(canonical: &str, spec: &CellSpec) -> Digest {
    let files = [&*spec.recipe().origin().sha256, spec.profile().canonical()];
    let parts = [canonical].into_iter().chain(files).chain(spec.other_files());
    let mut digester = Digester::new();
    digester.u64(u64::from(SIM_EPOCH));
    for part in parts {
        digester.u64(part.len() as u64).bytes(part.as_bytes());
    }
    digester.finish()
}

/// The profiles of all points, and what these ask of them together.
pub(crate) fn used_profiles(points: &[Arc<Point>]) -> Vec<UsedProfile> {
    let mut used: BTreeMap<(&str, &str), (&Profile, LatencyRange)> = BTreeMap::new();
    for point in points {
        for (profile, asked) in point.spec.used_profiles() {
            let entry = used.entry((&profile.label, &profile.sha256)).or_insert((profile, asked));
            entry.1 = entry.1.joined(asked);
        }
    }
    let named = |(profile, asked): (&Profile, LatencyRange)| UsedProfile {
        label: profile.label.clone(),
        sha256: profile.sha256.to_string(),
        outside_valid_range: profile.valid.lacks(&asked),
    };
    used.into_values().map(named).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    /// What is kept from point to point is what each would be if it were made anew, in any order of points.
    #[test]
    fn trees_that_follow_each_other_are_those_made_anew() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| -> PathBuf {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        write("calm.toml", "[background]\nkind = 'none'\n[fabric]\ncores = 4\n");
        write("busy.toml", "word = { title = 'Busy' }\n[background]\nbusy_ratio = [0.5, 0.6]\n");
        let axes = "extends = 'builtin:base'\n\
            [[axis]]\nkey = 'regime'\nfiles = ['calm.toml', 'busy.toml']\n\
            [[axis]]\nkey = 'fabric.latency_us.2'\nvalues = [1.0, 8.5]\n\
            [[axis]]\nkey = 'workload.trace'\nvalues = ['one', 'two']\n\
            [[axis]]\nkey = 'policy.netkv.wait'\nvalues = ['slots', 'memory']\n";
        let path = write("x.toml", axes);
        let (base, layers) = crate::source::load_layers(&path).unwrap();
        let grid = Grid::read(&base, &layers, &Origin::file(&path)).unwrap();
        let (stripped, sections) = (without_own(&base), grid.sections_of_values());
        let mut trees = Trees::new(&stripped, &grid, &sections);
        let anew = |point: usize| {
            let mut tree = grid.apply(&base, point);
            let files = ["workload.trace", "model.profile", "decode.profile", "fabric.topology", "background.file"];
            for key in OWN_KEYS.iter().chain(&OWN_SECTIONS).chain(&[WORD]).chain(&files) {
                tree::remove(&mut tree, key);
            }
            Content::Table(tree).canonical()
        };
        let mut seen = std::collections::BTreeSet::new();
        for point in (0..16).chain((0..16).rev()).chain([0, 15, 3, 8]) {
            trees.go_to(point);
            assert_eq!(trees.canonical(), anew(point), "point {point}");
            seen.insert(trees.canonical());
            let trace = tree::get(&trees.tree, "workload.trace").unwrap().content.canonical();
            assert_eq!(trace, ["\"one\"", "\"two\""][point / 2 % 2]);
        }
        assert_eq!(seen.len(), 8, "where the trace is from does not count, its content does elsewhere");
    }
}

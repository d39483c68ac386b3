//! An experiment: a file with all that it extends, read, checked and unfolded into cells.

use crate::axes::{Axis, AxisValue, Factor, Grid};
use crate::files;
use crate::header::{self, Header, Limits, POLICY_AXIS, Record, WORD};
use crate::issue::{InputErrors, Issue, Origin, nearest, with_suggestion};
use crate::library::Library;
use crate::missing;
use crate::overrides::Overrides;
use crate::points::{OnRead, Point, UsedProfile, read_points, used_profiles};
use crate::reduced::{Reduced, Reduction, reduce, thinned};
use crate::replications::Replications;
use crate::shown;
use crate::source;
use crate::spec::CellSpec;
use crate::trace_source::{LoadedTrace, TraceOrigin};
use crate::tree::{self, Node, Table};
use netkv_units::Digest;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Most cells of an experiment. Chosen by us: what one machine runs in a week at a second a cell.
const MAX_CELLS: usize = 1_000_000;

/// What an experiment depends on besides its file.
#[derive(Clone, Debug, Default)]
pub struct LoadOptions {
    /// One more folder to look for published traces in.
    pub trace_dir: Option<PathBuf>,
    /// Makes the experiment smaller; numeric axes keep half of their values.
    pub reduction: Option<Reduction>,
    /// Changes it before any axis does.
    pub overrides: Overrides,
    /// Hears how far a large grid is read.
    pub on_read: OnRead,
    /// Leaves its axes out, with the figures and tables that show them: one point is left, of the keys as they are without.
    /// [`Experiment::left_axes`] names them.
    pub without_axes: bool,
}

/// One run of an experiment: a grid point with a seed.
#[derive(Clone, Debug)]
pub struct Cell {
    /// Its position in the experiment, from 0: the first axis is the slowest, the seed the fastest.
    pub index: usize,
    /// A digest of all that its result depends on: equal in any experiment that has the same cell.
    pub key: Digest,
    /// Its seed.
    pub seed: u64,
    point: Arc<Point>,
}

impl Cell {
    /// Its value on each axis.
    pub fn axis_values(&self) -> &[AxisValue] {
        self.point.axis_values()
    }

    /// Its scenario, without seed and requests.
    pub fn spec(&self) -> &CellSpec {
        self.point.spec()
    }

    /// Where its requests come from.
    pub fn trace_origin(&self) -> &TraceOrigin {
        self.point.spec().recipe().origin()
    }
}

/// An experiment without errors.
#[derive(Debug)]
pub struct Experiment {
    path: PathBuf,
    overrides: Overrides,
    header: Header,
    /// How many of the header's seeds its cells have now.
    n_seeds: usize,
    base: Table,
    grid: Grid,
    traces: Vec<Arc<LoadedTrace>>,
    points: Vec<Arc<Point>>,
    profiles: Vec<UsedProfile>,
    files: Vec<PathBuf>,
    notices: Vec<String>,
    reduced: Option<Reduced>,
    left_axes: Vec<LeftAxis>,
}

/// An axis that was left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftAxis {
    /// Its key, or its name.
    pub key: String,
    /// Whether it would lay files over the others, which may set any key.
    pub is_of_files: bool,
}

impl Experiment {
    /// The name of the experiment in a file, without reading what it is made of.
    ///
    /// # Errors
    /// If the file, or one that it extends, cannot be read.
    pub fn name_in(path: &Path) -> Result<String, InputErrors> {
        let (mut base, _) = source::load_layers(path)?;
        header::name_by_file(&mut base, path);
        let name = base.get("name").map(|node| node.content.canonical()).unwrap_or_default();
        Ok(name.trim_matches('"').to_owned())
    }

    /// Reads an experiment file and all that it names.
    ///
    /// # Errors
    /// Everything that is wrong, in all files and all cells, each thing once.
    pub fn load(path: &Path, options: &LoadOptions) -> Result<Self, InputErrors> {
        let file = Origin::file(path);
        let (mut base, layers) = source::load_layers(path)?;
        // Before keys are set: one that an axis would overrule is none to be set.
        let left_axes = if options.without_axes { leave_axes(&mut base) } else { Vec::new() };
        options.overrides.apply(&mut base)?;
        header::name_by_file(&mut base, path);
        header::spread_seeds(&mut base);
        let is_fixed = options.reduction.is_some() || options.overrides.seeds.is_some();
        let has_more = is_fixed && header::fix_seeds(&mut base);
        let header = Header::read(&base, &file);
        let n_seeds = header.as_ref().map_or(1, |header| header.seeds.len());
        let mut grid = Grid::read(&base, &layers, &file).and_then(|grid| check_size(grid, n_seeds, &file));
        let shown = shown::check(&base, grid.as_ref().ok().map(Grid::axes));
        let mut reduced = None;
        if let Some(reduction) = options.reduction {
            let whole = grid.as_ref().ok().cloned();
            let requests = reduce(&mut base, &reduction);
            grid = grid.and_then(|grid| thinned(grid, &file));
            let both = whole.as_ref().zip(grid.as_ref().ok());
            reduced = both.map(|(whole, kept)| Reduced::new(n_seeds, &reduction, requests, whole, kept));
        }
        let library = Library::new(options.trace_dir.clone());
        // Without a grid, what can be read of it is, so that all errors show at once.
        let rest = grid.as_ref().err().map(|_| Grid::each_value_once(&base)).unwrap_or_default();
        let points = read_points(&base, grid.as_ref().unwrap_or(&rest), &file, &library, options.on_read);
        let (mut header, grid, points) = match (header, grid, points) {
            (Ok(header), Ok(grid), Ok(points)) if shown.is_empty() => (header, grid, points),
            (header, grid, points) => {
                let mut issues = shown;
                issues.extend(header.err().unwrap_or_default());
                issues.extend(grid.err().unwrap_or_default());
                issues.extend(points.err().iter().flat_map(InputErrors::issues).cloned());
                return Err(InputErrors::new(missing::as_one(issues, &base, &layers, &file)));
            }
        };
        header.name.push_str(&options.overrides.label());
        if let Some(reduction) = options.reduction {
            header.keep_seeds(reduction.max_seeds);
        }
        let profiles = used_profiles(&points);
        let path = path.to_owned();
        let overrides = options.overrides.clone();
        let files = files::named(&base, &layers, library.files());
        let traces = library.into_traces();
        let n_seeds = header.replications.looks()[0];
        let notices = Vec::new();
        let mut experiment = Self {
            path,
            overrides,
            header,
            n_seeds,
            base,
            grid,
            traces,
            points,
            profiles,
            files,
            notices,
            reduced,
            left_axes,
        };
        experiment.notices = experiment.find_notices();
        if has_more {
            let path = experiment.path.display();
            let message = format!("replications of {path} are left out: the number of seeds was given, {n_seeds}");
            experiment.notices.push(message);
        }
        Ok(experiment)
    }

    /// What the user should be told although nothing is wrong.
    fn find_notices(&self) -> Vec<String> {
        let mut notices: Vec<String> = self.traces.iter().filter_map(|loaded| loaded.notice.clone()).collect();
        notices.sort();
        notices.dedup();
        if !self.overrides.is_empty() {
            notices.push(format!(
                "{} is changed by{}: its results are in a folder of their own, {}, and those of the file as it is stay as \
                 they are",
                self.path.display(),
                self.overrides.arguments(),
                self.name()
            ));
        }
        let Header { baseline_axis, baseline, .. } = &self.header;
        let axis = self.axes().iter().position(|axis| axis.key == *baseline_axis);
        let has_it = |point: &Arc<Point>| match axis {
            Some(axis) => point.axis_values()[axis].to_string() == *baseline,
            None => baseline_axis == POLICY_AXIS && point.spec().policy().name() == baseline,
        };
        if !self.points.iter().any(has_it) {
            notices.push(format!(
                "measure.baseline = \"{baseline}\" is not among the values of {baseline_axis} in {}: there will be no \
                 differences to it",
                self.path.display()
            ));
        }
        notices
    }

    /// What the user should be told although nothing is wrong: a trace that was not found, a baseline that is not run.
    pub fn notices(&self) -> &[String] {
        &self.notices
    }

    /// What it lacks of the whole, if it was made smaller.
    pub const fn reduced(&self) -> Option<&Reduced> {
        self.reduced.as_ref()
    }

    /// The file, as given.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What commands are to be told so that they mean this experiment: its file, and what a command line changed in it.
    pub fn arguments(&self) -> String {
        format!("{}{}", self.path.display(), self.overrides.arguments())
    }

    /// Its name, which is that of its results' folder; what a command line changed is a part of it.
    pub fn name(&self) -> &str {
        &self.header.name
    }

    /// The seeds of its cells: those of the first look until [`use_seeds`](Self::use_seeds) says otherwise.
    pub fn seeds(&self) -> &[u64] {
        &self.header.seeds[..self.n_seeds]
    }

    /// When its results are looked at, and what for.
    pub const fn replications(&self) -> &Replications {
        &self.header.replications
    }

    /// Gives its points the first so many seeds of all that may be run. No cell has another number or key for it.
    ///
    /// # Panics
    /// If it has no so many, or none are asked for.
    pub fn use_seeds(&mut self, n: usize) {
        assert!((1..=self.header.seeds.len()).contains(&n), "{n} of {} seeds", self.header.seeds.len());
        self.n_seeds = n;
    }

    /// What a cell may take.
    pub const fn limits(&self) -> Limits {
        self.header.limits
    }

    /// What is kept of each run.
    pub const fn record(&self) -> Record {
        self.header.record
    }

    /// The axis that the baseline is a value of.
    pub fn baseline_axis(&self) -> &str {
        &self.header.baseline_axis
    }

    /// The value of that axis, mostly a policy, that paired differences are taken to.
    pub fn baseline(&self) -> &str {
        &self.header.baseline
    }

    /// Coverage of each interval. If results are looked at several times it is more than the file asks for, so that the interval
    /// at which seeds are enough has that; see [`Replications`].
    pub fn confidence_ratio(&self) -> f64 {
        self.header.replications.of_each(self.header.confidence_ratio)
    }

    /// The coverage that the file asks for.
    pub const fn asked_confidence_ratio(&self) -> f64 {
        self.header.confidence_ratio
    }

    /// What a GPU costs for an hour, in the currency of the file; 0 if it says no price.
    pub const fn cost_per_gpu_hour(&self) -> f64 {
        self.header.cost_per_gpu_hour
    }

    /// Its axes, slowest first; the seeds come after them.
    pub fn axes(&self) -> &[Axis] {
        self.grid.axes()
    }

    /// What its grid is a product of, the slowest first.
    pub fn factors(&self) -> &[Factor] {
        self.grid.factors()
    }

    /// The axes of its files that were left out because [`LoadOptions::without_axes`] asked for it.
    pub fn left_axes(&self) -> &[LeftAxis] {
        &self.left_axes
    }

    /// Number of the cells that its file leaves out.
    pub fn n_excluded_cells(&self) -> usize {
        self.grid.n_excluded() * self.n_seeds
    }

    /// Number of its cells.
    pub fn n_cells(&self) -> usize {
        self.points.len() * self.n_seeds
    }

    /// The positions of its cells, ascending. There are gaps where more seeds may be run.
    pub fn indices(&self) -> impl Iterator<Item = usize> + use<> {
        let (n_points, stride, n_seeds) = (self.points.len(), self.header.seeds.len(), self.n_seeds);
        (0..n_points).flat_map(move |point| (0..n_seeds).map(move |seed| point * stride + seed))
    }

    /// The position of a cell's seed among all that may be run.
    pub fn seed_of(&self, index: usize) -> usize {
        index % self.header.seeds.len()
    }

    /// The position of a cell's point: its cells differ in their seed alone.
    pub fn point_of(&self, index: usize) -> usize {
        index / self.header.seeds.len()
    }

    /// The cell at a position, its seed one of all that may be run.
    pub fn cell(&self, index: usize) -> Option<Cell> {
        let n_seeds = self.header.seeds.len();
        let point = self.points.get(index / n_seeds)?.clone();
        let seed = self.header.seeds[index % n_seeds];
        Some(Cell { index, key: point.key(seed), seed, point })
    }

    /// Every cell, in order.
    pub fn cells(&self) -> impl Iterator<Item = Cell> {
        self.indices().map(|index| self.cell(index).expect("there is a cell at each of its positions"))
    }

    /// Where the requests of its cells come from, each origin once.
    pub fn trace_origins(&self) -> Vec<&TraceOrigin> {
        let mut origins: Vec<_> = self.points.iter().map(|point| point.spec().recipe().origin()).collect();
        origins.sort_by_key(|origin| (&origin.label, &origin.sha256));
        origins.dedup();
        origins
    }

    /// The files that it is made of: its own, those that it extends, those of axes, profiles and whatever else it names but traces.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().map(PathBuf::as_path)
    }

    /// The profiles of its cells, by name.
    pub fn profiles(&self) -> &[UsedProfile] {
        &self.profiles
    }

    /// Every key of a cell with its value and its place in the files: the resolved tree.
    pub fn resolved(&self, cell: &Cell) -> Vec<(String, String, Origin)> {
        let mut tree = self.grid.apply(&self.base, cell.index / self.header.seeds.len());
        tree.retain(|key, _| !["figure", "table", "words", "report", WORD].contains(&key.as_str()));
        let row = |(key, node): (String, &Node)| (key, node.content.canonical(), node.origin.clone());
        tree::leaves(&tree).into_iter().map(row).collect()
    }

    /// The experiment as one TOML text that extends nothing: base tree, then axes, with the content of their files.
    pub fn resolved_toml(&self) -> String {
        resolved_toml(&self.base, &self.grid)
    }

    /// Name and [`resolved_toml`](Self::resolved_toml) of a file, without reading any trace, profile or point.
    ///
    /// # Errors
    /// If file, head or axes are wrong.
    pub fn outline(path: &Path, reduction: Option<Reduction>) -> Result<(String, String), InputErrors> {
        let file = Origin::file(path);
        let (mut base, layers) = source::load_layers(path)?;
        header::name_by_file(&mut base, path);
        header::spread_seeds(&mut base);
        let name = Header::read(&base, &file).map_err(InputErrors::new)?.name;
        let mut grid = Grid::read(&base, &layers, &file).map_err(InputErrors::new)?;
        if let Some(reduction) = reduction {
            reduce(&mut base, &reduction);
            grid = thinned(grid, &file).map_err(InputErrors::new)?;
        }
        Ok((name, resolved_toml(&base, &grid)))
    }

    /// The positions of the cells that have all the given values; a name with several values admits any of them.
    ///
    /// # Errors
    /// In words, if there is no such axis or value.
    pub fn select(&self, filters: &[(String, String)]) -> Result<Vec<usize>, String> {
        for (name, value) in filters {
            self.check_filter(name, value)?;
        }
        let admits = |cell: &Cell| {
            filters.iter().all(|(name, _)| {
                let own = self.value_of(cell, name);
                filters.iter().any(|(other, value)| other == name && is_value(&own, value))
            })
        };
        Ok(self.cells().filter(admits).map(|cell| cell.index).collect())
    }

    fn value_of(&self, cell: &Cell, axis: &str) -> AxisValue {
        let position = self.axes().iter().position(|own| own.key == axis);
        position.map_or(AxisValue::Integer(cell.seed as i64), |position| cell.axis_values()[position].clone())
    }

    fn check_filter(&self, name: &str, value: &str) -> Result<(), String> {
        let values: Vec<AxisValue> = if name == "seed" {
            self.seeds().iter().map(|&seed| AxisValue::Integer(seed as i64)).collect()
        } else if let Some(axis) = self.axes().iter().find(|axis| axis.key == name) {
            axis.values.clone()
        } else {
            let names: Vec<_> = self.axes().iter().map(|axis| axis.key.as_str()).chain(["seed"]).collect();
            let message = format!("{} has no axis {name}; its axes: {}", self.path.display(), names.join(", "));
            return Err(with_suggestion(&message, nearest(name, names)));
        };
        if values.iter().any(|own| is_value(own, value)) {
            return Ok(());
        }
        let names: Vec<_> = values.iter().map(ToString::to_string).collect();
        let message = format!("axis {name} has no value {value}; its values: {}", names.join(", "));
        Err(with_suggestion(&message, nearest(value, names.iter().map(String::as_str))))
    }
}

/// Takes the axes out of a tree, with all that speaks of them.
fn leave_axes(base: &mut Table) -> Vec<LeftAxis> {
    let axes = Grid::named(base);
    ["axis", "sample", "exclude", "figure", "table", "report"].into_iter().for_each(|key| drop(base.remove(key)));
    axes.into_iter().map(|(key, is_of_files)| LeftAxis { key, is_of_files }).collect()
}

/// An experiment as one TOML text that extends nothing: base tree, then axes, with the content of their files.
fn resolved_toml(base: &Table, grid: &Grid) -> String {
    let mut base = base.clone();
    base.retain(|key, _| !["axis", WORD].contains(&key.as_str()));
    let mut text = tree::to_toml(&base);
    for axis in grid.axes() {
        let values: Vec<_> = axis.values.iter().map(quoted).collect();
        text.push_str(&format!("\n[[axis]]\nkey = {}\n", quoted(&AxisValue::Text(axis.key.clone()))));
        text.push_str(&format!("values = [{}]\n", values.join(", ")));
        if let Some(zip) = axis.zip() {
            text.push_str(&format!("zip = {}\n", quoted(&AxisValue::Text(zip.to_owned()))));
        }
        for (stem, table) in axis.files() {
            for (key, node) in tree::leaves(table) {
                text.push_str(&format!("overlay.\"{stem}\".{key} = {}\n", tree::toml_value(&node.content)));
            }
        }
    }
    text
}

/// Whether `text` on a command line means this value.
fn is_value(value: &AxisValue, text: &str) -> bool {
    let as_number = |number: f64| text.parse::<f64>().is_ok_and(|parsed| parsed.total_cmp(&number).is_eq());
    match value {
        AxisValue::Integer(number) => as_number(*number as f64),
        AxisValue::Float(number) => as_number(*number),
        AxisValue::Text(own) => own == text,
        AxisValue::Flag(flag) => flag.to_string() == text,
    }
}

/// A value as TOML writes it.
fn quoted(value: &AxisValue) -> String {
    match value {
        AxisValue::Text(text) => toml::Value::from(text.as_str()).to_string(),
        AxisValue::Integer(_) | AxisValue::Float(_) | AxisValue::Flag(_) => value.to_string(),
    }
}

/// The grid, if its cells are not too many.
fn check_size(grid: Grid, n_seeds: usize, file: &Origin) -> Result<Grid, Vec<Issue>> {
    if grid.n_points().and_then(|points| points.checked_mul(n_seeds)).is_some_and(|cells| cells <= MAX_CELLS) {
        return Ok(grid);
    }
    let lengths = grid.axes().iter().map(|axis| format!("{} values of {}", axis.values.len(), axis.key));
    let factors: Vec<_> = lengths.chain([format!("{n_seeds} seeds")]).collect();
    let message = format!("too many cells: {}; allowed: at most {MAX_CELLS}", factors.join(" x "));
    Err(vec![Issue::new(file, message)])
}

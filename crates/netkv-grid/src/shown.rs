//! What an experiment file says about its figures, tables and words: checked here, where file and line are known, and
//! drawn by others from the manifest. No result depends on it, and no file inherits figures or tables: other experiments
//! have other axes.
//!
//! Every kind of figure and table is a list of keys with what each may hold.

mod keys;

use crate::axes::Axis;
use crate::header::POLICY_AXIS;
use crate::issue::{Issue, nearest, with_suggestion};
use crate::reader::{list, one_of};
use crate::tree::{self, Content, Node, Table};
use keys::{AXIS_WORDS, FIGURES, Key, REPORT, TABLES, Takes, VALUE_WORDS};
use netkv_sim::METRICS;

/// Everything that is wrong with figures, tables and words. Without axes, because they are wrong themselves, what names
/// them is not checked.
pub(crate) fn check(base: &Table, axes: Option<&[Axis]>) -> Vec<Issue> {
    let mut checker = Checker { base, axes, issues: Vec::new() };
    for (section, kinds) in [("figure", FIGURES), ("table", TABLES)] {
        let tables = base.get(section).map(|node| checker.tables(section, node)).unwrap_or_default();
        let mut names = Vec::new();
        for (origin, table) in tables {
            checker.check_kind(section, origin, table, kinds);
            if let Some(name) = table.get("name") {
                if names.contains(&name.content.canonical()) {
                    checker.fail(name, format!("there are two figures of name {}", name.content.canonical()));
                }
                names.push(name.content.canonical());
            }
        }
    }
    if let Some(node) = base.get("report") {
        checker.check_value("report", node, Takes::Table(REPORT), base);
    }
    checker.check_words();
    checker.issues
}

/// What tokens cost, and the price of a GPU that it needs.
const COST: &str = "cost_per_mtoken";
const PRICE: &str = "cost.per_gpu_hour";

struct Checker<'a> {
    base: &'a Table,
    axes: Option<&'a [Axis]>,
    issues: Vec<Issue>,
}

impl<'a> Checker<'a> {
    fn fail(&mut self, node: &Node, message: String) {
        self.issues.push(Issue::new(&node.origin, message));
    }

    /// A word that is not among those that there are.
    fn fail_word(&mut self, node: &Node, message: &str, word: &str, names: &[String]) {
        let near = nearest(word, names.iter().map(String::as_str));
        self.fail(node, with_suggestion(&format!("{message}; there are {}", names.join(", ")), near));
    }

    /// The tables of a list, each with its place.
    fn tables(&mut self, section: &str, node: &'a Node) -> Vec<(&'a Node, &'a Table)> {
        let mut tables = Vec::new();
        let items = list(node).map_or(&[][..], Vec::as_slice);
        for item in items {
            if let Content::Table(table) = &item.content {
                tables.push((item, table));
            }
        }
        if list(node).is_none() || tables.len() < items.len() {
            self.fail(node, format!("{section} is a list of tables; write [[{section}]], or {section} = [] for none"));
        }
        tables
    }

    /// Checks a figure or a table by its kind.
    fn check_kind(&mut self, section: &str, node: &Node, table: &'a Table, kinds: &[(&str, &'static [Key])]) {
        let names: Vec<&str> = kinds.iter().map(|kind| kind.0).collect();
        let Some(kind) = table.get("kind") else {
            self.fail(node, format!("a {section} needs a kind; allowed: {}", one_of(&names)));
            return self.check_any_keys(section, table, kinds);
        };
        let said = text(kind).unwrap_or_default();
        let Some((_, keys)) = kinds.iter().find(|known| known.0 == said) else {
            let meant = nearest(said, names.iter().copied()).and_then(|near| kinds.iter().find(|kind| kind.0 == near));
            let names: Vec<String> = names.into_iter().map(str::to_owned).collect();
            self.fail_word(kind, &format!("{} is no kind of {section}", kind.content.canonical()), said, &names);
            // What else is wrong is told of the kind that was meant.
            return match meant {
                Some((name, keys)) => {
                    self.check_keys(&format!("a {section} of kind {name}"), node, table, (keys, table));
                }
                None => self.check_any_keys(section, table, kinds),
            };
        };
        self.check_keys(&format!("a {section} of kind {said}"), node, table, (keys, table));
        let record = self.base.get("record").and_then(text);
        if section == "figure" && said == "cdf" && record != Some("requests") {
            self.fail(kind, "a figure of kind cdf is drawn from single requests; set record = \"requests\"".to_owned());
        }
        let needs_metric = keys.iter().any(|key| key.name == "metric") && keys.iter().any(|key| key.name == "metrics");
        if needs_metric && !table.contains_key("metric") && !table.contains_key("metrics") {
            self.fail(node, format!("a {section} of kind {said} needs a metric, or metrics"));
        }
    }

    /// Checks what a table of no known kind has: each key as the first kind that has it takes it.
    fn check_any_keys(&mut self, section: &str, table: &'a Table, kinds: &[(&str, &'static [Key])]) {
        let all = || kinds.iter().flat_map(|kind| kind.1);
        for (name, value) in table {
            match all().find(|key| key.name == name) {
                Some(key) => self.check_value(name, value, key.takes, table),
                None => {
                    let message = format!("{name} is not a key of any kind of {section}");
                    let message = with_suggestion(&message, nearest(name, all().map(|key| key.name)));
                    self.issues.push(Issue::new(&value.key_origin, message));
                }
            }
        }
    }

    /// Checks a table key by key; `figure` is the table that names its axes.
    fn check_keys(&mut self, what: &str, node: &Node, table: &Table, (keys, figure): (&'static [Key], &Table)) {
        for (name, value) in table {
            match keys.iter().find(|key| key.name == name) {
                Some(key) => self.check_value(name, value, key.takes, figure),
                None => {
                    let names: Vec<&str> = keys.iter().map(|key| key.name).collect();
                    let message = format!("{name} is not a key of {what}; it has {}", names.join(", "));
                    let message = with_suggestion(&message, nearest(name, names.iter().copied()));
                    self.issues.push(Issue::new(&value.key_origin, message));
                }
            }
        }
        for key in keys.iter().filter(|key| key.needed && !table.contains_key(key.name)) {
            self.fail(node, format!("{what} needs {}", key.name));
        }
    }

    fn check_value(&mut self, name: &str, node: &Node, takes: Takes, figure: &Table) {
        let allowed = match takes {
            Takes::Text if text(node).is_some() => return,
            Takes::Text => "a string",
            Takes::Number if is_number(node) => return,
            Takes::Number => "a number",
            Takes::Flag if matches!(node.content, Content::Flag(_)) => return,
            Takes::Flag => "true or false",
            Takes::FileName if text(node).is_some_and(is_file_name) => return,
            Takes::FileName => "a name of files: a-z, 0-9, _, - and .",
            Takes::Metric => return self.check_metric(name, node),
            Takes::Axis => return self.check_axis(name, node),
            Takes::SeriesValue => return self.check_axis_value(name, node, series(figure)),
            Takes::XValue => {
                if let Some(x) = figure.get("x").and_then(text) {
                    self.check_axis_value(name, node, x);
                }
                return;
            }
            Takes::AxisValue => {
                if let Some(axis) = figure.get("axis").and_then(text) {
                    self.check_axis_value(name, node, axis);
                }
                return;
            }
            Takes::Reference if matches!(text(node), Some("best_blind" | "baseline")) => return,
            Takes::Reference => {
                let axis = tree::get(self.base, "measure.baseline_axis").and_then(text).unwrap_or(POLICY_AXIS);
                return self.check_axis_value(name, node, axis);
            }
            Takes::Against if text(node) == Some("row_before") => return,
            Takes::Against => return self.check_axis_value(name, node, POLICY_AXIS),
            Takes::Choice(words) if text(node).is_some_and(|word| words.contains(&word)) => return,
            Takes::Choice(words) => {
                let names: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
                let message = format!("{name} = {} is not allowed", node.content.canonical());
                return self.fail_word(node, &message, text(node).unwrap_or_default(), &names);
            }
            Takes::Table(keys) => match table_of(node) {
                Some(table) => {
                    let names_axis = table.contains_key("axis");
                    return self.check_keys(name, node, table, (keys, if names_axis { table } else { figure }));
                }
                None => "a table",
            },
            Takes::Only => match table_of(node) {
                Some(only) => return only.iter().for_each(|(axis, value)| self.check_only(axis, value)),
                None => "a table of axes and values",
            },
            Takes::OneOrMore(each) | Takes::List(each) => match (list(node), takes) {
                (Some(items), _) => return items.iter().for_each(|item| self.check_value(name, item, *each, figure)),
                (None, Takes::OneOrMore(_)) => return self.check_value(name, node, *each, figure),
                (None, _) => "a list",
            },
            Takes::Any => return,
        };
        self.fail(node, format!("{name} = {} is not allowed; allowed: {allowed}", node.content.canonical()));
    }

    fn check_metric(&mut self, name: &str, node: &Node) {
        let word = text(node).unwrap_or_default();
        let is_priced = tree::get(self.base, PRICE).is_some_and(is_above_zero);
        if METRICS.iter().any(|metric| metric.name == word) || (word == COST && is_priced) {
            return;
        }
        if word == COST {
            return self
                .fail(node, format!("{name} = \"{COST}\" is there if the experiment names a price: set {PRICE}"));
        }
        let near = nearest(word, METRICS.iter().map(|metric| metric.name).chain([COST]));
        let message = format!("{name} = {} is no metric; `netkv schema` lists them", node.content.canonical());
        self.fail(node, with_suggestion(&message, near));
    }

    /// An axis of the grid; an experiment of one policy has that of policies too.
    fn check_axis(&mut self, name: &str, node: &Node) {
        let Some(axes) = self.axes else { return };
        let word = text(node).unwrap_or_default();
        if word == POLICY_AXIS || axes.iter().any(|axis| axis.key == word) {
            return;
        }
        let names: Vec<String> = axes.iter().map(|axis| axis.key.clone()).collect();
        let message = format!("{name} = {} is no axis of this experiment", node.content.canonical());
        self.fail_word(node, &message, word, &names);
    }

    fn check_only(&mut self, axis: &str, value: &Node) {
        let Some(axes) = self.axes else { return };
        if axes.iter().any(|own| own.key == axis) {
            return self.check_axis_value(axis, value, axis);
        }
        let names: Vec<String> = axes.iter().map(|own| own.key.clone()).collect();
        let near = nearest(axis, names.iter().map(String::as_str));
        let message = format!("{axis} is no axis of this experiment; there are {}", names.join(", "));
        self.issues.push(Issue::new(&value.key_origin, with_suggestion(&message, near)));
    }

    fn check_axis_value(&mut self, name: &str, node: &Node, axis: &str) {
        let Some(axes) = self.axes else { return };
        let values: Vec<String> = match axes.iter().find(|own| own.key == axis) {
            Some(own) => own.values.iter().map(ToString::to_string).collect(),
            None => tree::get(self.base, axis).into_iter().map(as_word).collect(),
        };
        let word = as_word(node);
        let number = |word: &str| word.parse::<f64>().ok().map(f64::to_bits);
        let is_same = |own: &String| *own == word || number(own).is_some_and(|own| number(&word) == Some(own));
        if !values.is_empty() && !values.iter().any(is_same) {
            let message = format!("{name} = {} is no value of axis {axis}", node.content.canonical());
            self.fail_word(node, &message, &word, &values);
        }
    }

    /// Words of axes, and those that the files of an axis bring for its values.
    fn check_words(&mut self) {
        if let Some(Node { content: Content::Table(words), .. }) = self.base.get("words") {
            for (axis, node) in words {
                let is_axis = self.axes.is_none_or(|axes| axes.iter().any(|own| own.key == *axis));
                if !is_axis && tree::get(self.base, axis).is_none() {
                    let names: Vec<String> = tree::leaves(self.base).into_iter().map(|leaf| leaf.0).collect();
                    let near = nearest(axis, names.iter().map(String::as_str));
                    let message = format!("words.{axis}: {axis} is neither an axis nor a key that can be one");
                    self.issues.push(Issue::new(&node.key_origin, with_suggestion(&message, near)));
                }
                self.check_value(&format!("words of {axis}"), node, Takes::Table(AXIS_WORDS), self.base);
                let Content::Table(own) = &node.content else { continue };
                let Some(Node { content: Content::Table(values), .. }) = own.get("values") else { continue };
                for (value, words) in values.iter().filter(|(_, words)| text(words).is_none()) {
                    self.check_value(&format!("words of {value}"), words, Takes::Table(VALUE_WORDS), self.base);
                }
            }
        } else if let Some(node) = self.base.get("words") {
            self.fail(node, "words is a section; write [words.\"AXIS\"]".to_owned());
        }
        let files = self.axes.unwrap_or_default().iter().flat_map(Axis::files);
        let words: Vec<Node> = files.filter_map(|(_, table)| table.get("word").cloned()).collect();
        for node in words.iter().chain(self.base.get("word")) {
            self.check_value("word", node, Takes::Table(VALUE_WORDS), self.base);
        }
    }
}

/// The axis whose values are lines or rows of a figure.
fn series(figure: &Table) -> &str {
    figure.get("lines").or_else(|| figure.get("rows")).and_then(text).unwrap_or(POLICY_AXIS)
}

fn text(node: &Node) -> Option<&str> {
    match &node.content {
        Content::Text(text) => Some(text),
        Content::Table(_) | Content::List(_) | Content::Integer(_) | Content::Float(_) | Content::Flag(_) => None,
    }
}

const fn table_of(node: &Node) -> Option<&Table> {
    match &node.content {
        Content::Table(table) => Some(table),
        Content::List(_) | Content::Text(_) | Content::Integer(_) | Content::Float(_) | Content::Flag(_) => None,
    }
}

/// A value as tables have it.
fn as_word(node: &Node) -> String {
    text(node).map_or_else(|| node.content.canonical(), str::to_owned)
}

const fn is_number(node: &Node) -> bool {
    matches!(node.content, Content::Integer(_) | Content::Float(_))
}

fn is_above_zero(node: &Node) -> bool {
    match node.content {
        Content::Integer(value) => value > 0,
        Content::Float(value) => value > 0.0,
        Content::Table(_) | Content::List(_) | Content::Text(_) | Content::Flag(_) => false,
    }
}

fn is_file_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-.".contains(&byte);
    !name.is_empty() && !name.starts_with('.') && name.bytes().all(plain)
}

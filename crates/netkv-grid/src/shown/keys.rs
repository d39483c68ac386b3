//! The keys of every kind of figure and table.

/// What a key may hold.
#[derive(Clone, Copy, Debug)]
pub(super) enum Takes {
    Text,
    Number,
    Flag,
    FileName,
    Metric,
    /// An axis of the experiment.
    Axis,
    /// A value of the axis whose values are lines or rows.
    SeriesValue,
    /// A value of the axis across.
    XValue,
    /// A value of the axis that stands beside it.
    AxisValue,
    /// What maps compare with: a word for it, or a value of the baseline's axis.
    Reference,
    /// A policy, or the words for that of the row above.
    Against,
    Choice(&'static [&'static str]),
    Table(&'static [Key]),
    /// Axes, and a value of each.
    Only,
    OneOrMore(&'static Takes),
    List(&'static Takes),
    Any,
}

/// A key.
#[derive(Clone, Copy, Debug)]
pub(super) struct Key {
    pub(super) name: &'static str,
    pub(super) takes: Takes,
    /// Whether it must be there.
    pub(super) needed: bool,
}

const fn may(name: &'static str, takes: Takes) -> Key {
    Key { name, takes, needed: false }
}

const fn must(name: &'static str, takes: Takes) -> Key {
    Key { name, takes, needed: true }
}

const KIND: Key = must("kind", Takes::Text);
const NAME: Key = must("name", Takes::FileName);
const TITLE: Key = may("title", Takes::Text);
const SHOWS: Key = may("shows", Takes::Text);
const RANK: Key = may("rank", Takes::Number);
const LINES: Key = may("lines", Takes::Axis);
const ROWS: Key = may("rows", Takes::Axis);
const PANELS: Key = may("panels", Takes::OneOrMore(&Takes::Axis));
const ONLY: Key = may("only", Takes::Only);
const UNIT: Key = may("unit", Takes::Choice(&["s", "ms", "%", "GB", "own"]));
const SCALE: Key = may("scale", Takes::Choice(&["auto", "log", "linear"]));
const VALUE_TITLE: Key = may("value_title", Takes::Text);
const SAYS: Key = may("says", Takes::Text);
const PRINTED: Key = may("printed", Takes::Flag);
const MEASURES: Key = must("measures", Takes::List(&Takes::Table(MEASURE)));

const MEASURE: &[Key] =
    &[must("metric", Takes::Metric), UNIT, TITLE, SCALE, may("change", Takes::Choice(&["percent", "points"]))];

const LINES_KEYS: &[Key] = &[
    NAME,
    KIND,
    TITLE,
    SHOWS,
    RANK,
    must("x", Takes::Axis),
    LINES,
    PANELS,
    ONLY,
    may("metric", Takes::Metric),
    may("metrics", Takes::List(&Takes::Metric)),
    may("compare", Takes::Choice(&["absolute", "ratio"])),
    UNIT,
    VALUE_TITLE,
    SCALE,
    may("closed_form", Takes::Choice(&["shared_way"])),
];

const INTERVALS_KEYS: &[Key] = &[
    NAME,
    KIND,
    TITLE,
    SHOWS,
    RANK,
    may("x", Takes::Axis),
    ROWS,
    PANELS,
    ONLY,
    may("show", Takes::List(&Takes::SeriesValue)),
    may("marks_title", Takes::Text),
    may("metric", Takes::Metric),
    may("metrics", Takes::List(&Takes::Table(&[must("metric", Takes::Metric), must("label", Takes::Text)]))),
    may("compare", Takes::Choice(&["ratio", "difference"])),
    UNIT,
    may("limit", Takes::Number),
    VALUE_TITLE,
    SAYS,
];

const SPREAD_KEYS: &[Key] = &[
    NAME,
    KIND,
    TITLE,
    SHOWS,
    RANK,
    LINES,
    must("metric", Takes::Metric),
    may("against", Takes::Reference),
    may("compare", Takes::Choice(&["ratio", "difference"])),
    VALUE_TITLE,
];

const CDF_KEYS: &[Key] = &[
    NAME,
    KIND,
    TITLE,
    SHOWS,
    RANK,
    LINES,
    PANELS,
    ONLY,
    must("metric", Takes::Choice(REQUEST_TIMES)),
    UNIT,
    VALUE_TITLE,
    SCALE,
];

/// Columns of the table of requests that have a distribution worth a figure.
const REQUEST_TIMES: &[&str] = &[
    "ttft_ns",
    "tbt_mean_ns",
    "tbt_max_ns",
    "prefill_queue_ns",
    "prefill_compute_ns",
    "transfer_ns",
    "decode_wait_ns",
    "decoding_ns",
    "input_tokens",
    "output_tokens",
    "transfer_bytes",
];

const BARS_KEYS: &[Key] = &[
    NAME,
    KIND,
    TITLE,
    SHOWS,
    RANK,
    may("x", Takes::Axis),
    may("at", Takes::XValue),
    ROWS,
    PANELS,
    ONLY,
    must("metrics", Takes::List(&Takes::Metric)),
    UNIT,
    VALUE_TITLE,
    may("shares", Takes::Flag),
];

const MULTIPLES_KEYS: &[Key] =
    &[NAME, KIND, TITLE, SHOWS, RANK, must("x", Takes::Axis), LINES, PANELS, ONLY, MEASURES, SAYS, PRINTED];

const HEAT_MAP_KEYS: &[Key] = &[
    NAME,
    KIND,
    TITLE,
    SHOWS,
    RANK,
    must("x", Takes::Axis),
    must("rows", Takes::Axis),
    PANELS,
    ONLY,
    must("metric", Takes::Metric),
    may("against", Takes::Reference),
    VALUE_TITLE,
    SAYS,
    PRINTED,
];

const STEPS_KEYS: &[Key] = &[
    NAME,
    KIND,
    TITLE,
    SHOWS,
    RANK,
    PANELS,
    ONLY,
    must("steps", Takes::List(&Takes::Table(&[must("policy", Takes::SeriesValue), must("label", Takes::Text)]))),
    MEASURES,
    SAYS,
    PRINTED,
];

const WATERFALL_KEYS: &[Key] = &[
    NAME,
    KIND,
    TITLE,
    SHOWS,
    RANK,
    must("x", Takes::Axis),
    ONLY,
    must("policy", Takes::SeriesValue),
    must("against", Takes::List(&Takes::SeriesValue)),
    must("metric", Takes::Metric),
    VALUE_TITLE,
    SAYS,
];

/// The kinds of figures.
pub(super) const FIGURES: &[(&str, &[Key])] = &[
    ("lines", LINES_KEYS),
    ("intervals", INTERVALS_KEYS),
    ("bars", BARS_KEYS),
    ("multiples", MULTIPLES_KEYS),
    ("heat_map", HEAT_MAP_KEYS),
    ("steps", STEPS_KEYS),
    ("waterfall", WATERFALL_KEYS),
    ("cdf", CDF_KEYS),
    ("spread", SPREAD_KEYS),
];

const REPORT_TABLE_KEYS: &[Key] =
    &[KIND, RANK, must("title", Takes::Text), must("x", Takes::Axis), may("at", Takes::XValue), ROWS, PANELS, ONLY];

const POLICY_PAGE_KEYS: &[Key] = &[
    KIND,
    RANK,
    must("file", Takes::FileName),
    must("title", Takes::Text),
    must("says", Takes::Text),
    must("heading", Takes::Text),
    must("promise_ms", Takes::Number),
    must("x", Takes::Axis),
    ROWS,
    PANELS,
    ONLY,
];

const WHAT: &[Key] = &[
    must("metric", Takes::Metric),
    UNIT,
    may("digits", Takes::Number),
    may("change_from", Takes::Against),
    may("less", Takes::Against),
];

const PAPER_TABLE_KEYS: &[Key] = &[
    KIND,
    RANK,
    must("title", Takes::Text),
    must("note", Takes::Text),
    ONLY,
    must("heads", Takes::List(&Takes::Text)),
    must("columns", Takes::List(&Takes::Table(&[must("title", Takes::Text), ONLY, may("what", Takes::Table(WHAT))]))),
    may(
        "along",
        Takes::List(&Takes::Table(&[
            must("axis", Takes::Axis),
            must("values", Takes::List(&Takes::AxisValue)),
            may("labels", Takes::List(&Takes::Text)),
        ])),
    ),
    may("measures", Takes::List(&Takes::Table(&[must("label", Takes::Text), must("what", Takes::Table(WHAT))]))),
];

/// The kinds of tables.
pub(super) const TABLES: &[(&str, &[Key])] =
    &[("report", REPORT_TABLE_KEYS), ("policy_page", POLICY_PAGE_KEYS), ("paper", PAPER_TABLE_KEYS)];

/// What is said of the report.
pub(super) const REPORT: &[Key] = &[may("section", Takes::Text)];

/// Words of an axis.
pub(super) const AXIS_WORDS: &[Key] = &[
    TITLE,
    may("numbers", Takes::Choice(&["plain", "percent", "tokens", "interval", "to_one"])),
    may("factor", Takes::Number),
    may("spacing", Takes::Choice(&["log", "linear", "even"])),
    may("values", Takes::Any),
];

/// Words of a value.
pub(super) const VALUE_WORDS: &[Key] = &[must("title", Takes::Text), may("about", Takes::Text)];

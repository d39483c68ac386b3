//! `range = { from, to, step }` or `{ from, to, count, scale }`: the values of an axis by their rule.
//!
//! Values are decimal numbers, as one would have typed them: from 0.3 in steps of 0.15 the third is 0.6, not
//! 0.6000000000000001. Steps are added as whole numbers of the last digit that `from`, `to` and `step` have; counted
//! values are rounded to four digits more than those of `from` and `to`, on a logarithmic scale to three significant
//! ones. Where `from` and `to` are whole numbers (and `step`, if there is one), all values are.

use crate::issue::{Issue, Origin, nearest, with_suggestion};
use crate::tree::{Content, Node, Table};

/// Most values of a range. Chosen by us: more than that is a typing error in `step`.
const MAX_VALUES: usize = 10_000;

/// Most digits after the point. Chosen by us: a float has 17 in all.
const MAX_DIGITS: u32 = 15;

/// Digits beyond those of `from` and `to` that counted values are rounded to.
const EXTRA_DIGITS: u32 = 4;

/// A number of the file.
struct Number<'a> {
    name: &'static str,
    origin: &'a Origin,
    value: f64,
    /// Digits after the point.
    digits: u32,
    is_whole: bool,
}

impl Number<'_> {
    /// In units of the digit `digits` after the point.
    fn scaled(&self, digits: u32) -> Option<i128> {
        let text = format!("{:.*}", digits as usize, self.value);
        text.replace('.', "").parse::<i128>().ok().filter(|scaled| scaled.unsigned_abs() < 1_u128 << 100)
    }
}

/// The values of a range, in order, or what is wrong with it.
pub(super) fn read(axis: &str, node: &Node) -> Result<Vec<Node>, Vec<Issue>> {
    let one = |origin: &Origin, message: String| vec![Issue::new(origin, message)];
    let Content::Table(table) = &node.content else {
        return Err(one(&node.origin, format!("range of axis {axis} is {}; allowed: {SHAPES}", node.content.kind())));
    };
    check_names(axis, table)?;
    let (from, to) = (number(axis, table, "from")?, number(axis, table, "to")?);
    let (Some(from), Some(to)) = (from, to) else {
        return Err(one(&node.origin, format!("range of axis {axis} needs from and to: {SHAPES}")));
    };
    let values = match (table.get("step"), table.get("count")) {
        (Some(_), None) => {
            if let Some(scale) = table.get("scale") {
                let message = format!("range of axis {axis} has a scale, which goes with count, not with step");
                return Err(one(&scale.key_origin, message));
            }
            let step = number(axis, table, "step")?.expect("it was found");
            stepped(axis, &from, &to, &step)?
        }
        (None, Some(count)) => counted(axis, &from, &to, count, table.get("scale"))?,
        (Some(step), Some(_)) => {
            return Err(one(
                &step.key_origin,
                format!("range of axis {axis} has step and count; allowed: one of them"),
            ));
        }
        (None, None) => {
            return Err(one(&node.origin, format!("range of axis {axis} needs step or count: {SHAPES}")));
        }
    };
    let made = |content: Content| Node { key_origin: node.key_origin.clone(), origin: node.origin.clone(), content };
    Ok(values.into_iter().map(made).collect())
}

/// What a range looks like.
const SHAPES: &str =
    "{ from = 0.3, to = 0.9, step = 0.15 } or { from = 1, to = 1000, count = 4, scale = \"log\" } (or \"linear\")";

fn check_names(axis: &str, table: &Table) -> Result<(), Vec<Issue>> {
    const NAMES: [&str; 5] = ["from", "to", "step", "count", "scale"];
    let unknown = table.iter().filter(|(name, _)| !NAMES.contains(&name.as_str()));
    let issues: Vec<Issue> = unknown
        .map(|(name, node)| {
            let message = format!("{name} is not a known key of a range (axis {axis})");
            Issue::new(&node.key_origin, with_suggestion(&message, nearest(name, NAMES)))
        })
        .collect();
    if issues.is_empty() { Ok(()) } else { Err(issues) }
}

fn number<'a>(axis: &str, table: &'a Table, name: &'static str) -> Result<Option<Number<'a>>, Vec<Issue>> {
    let Some(node) = table.get(name) else { return Ok(None) };
    let (value, is_whole) = match node.content {
        Content::Integer(value) => (value as f64, true),
        Content::Float(value) => (value, false),
        Content::Table(_) | Content::List(_) | Content::Text(_) | Content::Flag(_) => {
            let message = format!("{name} = {} of axis {axis} is no number", node.content.canonical());
            return Err(vec![Issue::new(&node.origin, message)]);
        }
    };
    let text = format!("{value}");
    let digits = text.split_once('.').map_or(0, |(_, digits)| digits.len() as u32);
    if digits > MAX_DIGITS || value.abs() >= 1e15 {
        let message =
            format!("{name} = {value} of axis {axis} has more digits than a range can keep exact; write values");
        return Err(vec![Issue::new(&node.origin, message)]);
    }
    Ok(Some(Number { name, origin: &node.origin, value, digits, is_whole }))
}

/// The number that is so many units of a digit after the point.
fn decimal(scaled: i128, digits: u32) -> f64 {
    let text = format!("{:0width$}", scaled.unsigned_abs(), width = digits as usize + 1);
    let (whole, fraction) = text.split_at(text.len() - digits as usize);
    let sign = if scaled < 0 { "-" } else { "" };
    format!("{sign}{whole}.{fraction}0").parse().expect("digits with a point are a number")
}

fn too_many(axis: &str, origin: &Origin, n: i128) -> Vec<Issue> {
    vec![Issue::new(origin, format!("range of axis {axis} has {n} values; allowed: at most {MAX_VALUES}"))]
}

fn stepped(axis: &str, from: &Number<'_>, to: &Number<'_>, step: &Number<'_>) -> Result<Vec<Content>, Vec<Issue>> {
    let digits = from.digits.max(to.digits).max(step.digits);
    let scaled = |number: &Number<'_>| {
        let message = format!("{} of axis {axis} has too many digits; write values", number.name);
        number.scaled(digits).ok_or_else(|| vec![Issue::new(number.origin, message)])
    };
    let (first, last, by) = (scaled(from)?, scaled(to)?, scaled(step)?);
    if by == 0 {
        return Err(vec![Issue::new(step.origin, format!("step = 0 of axis {axis} never arrives; allowed: not 0"))]);
    }
    if (last - first).signum() == -by.signum() {
        let (sign, order) = if by > 0 { ("above", "up") } else { ("below", "down") };
        let message = format!(
            "from = {} of axis {axis} is {sign} to = {}, and step = {} goes {order}; exchange from and to, or write step = {}",
            from.value, to.value, step.value, -step.value
        );
        return Err(vec![Issue::new(from.origin, message)]);
    }
    let n = (last - first) / by + 1;
    if n > MAX_VALUES as i128 {
        return Err(too_many(axis, step.origin, n));
    }
    let is_whole = from.is_whole && to.is_whole && step.is_whole;
    let value = |scaled: i128| {
        if is_whole { Content::Integer(scaled as i64) } else { Content::Float(decimal(scaled, digits)) }
    };
    Ok((0..n).map(|index| value(first + index * by)).collect())
}

/// How many values there are to be.
fn read_count(axis: &str, node: &Node) -> Result<i64, Vec<Issue>> {
    match node.content {
        Content::Integer(n) if n > MAX_VALUES as i64 => Err(too_many(axis, &node.origin, i128::from(n))),
        Content::Integer(n) if n >= 2 => Ok(n),
        Content::Integer(_)
        | Content::Float(_)
        | Content::Table(_)
        | Content::List(_)
        | Content::Text(_)
        | Content::Flag(_) => {
            let shown = node.content.canonical();
            let message = format!("count = {shown} of axis {axis}; allowed: a whole number, at least 2");
            Err(vec![Issue::new(&node.origin, message)])
        }
    }
}

/// Whether the scale is logarithmic.
fn read_scale(axis: &str, scale: Option<&Node>) -> Result<bool, Vec<Issue>> {
    let Some(node) = scale else { return Ok(false) };
    if let Content::Text(text) = &node.content
        && let Some(position) = ["linear", "log"].iter().position(|name| name == text)
    {
        return Ok(position == 1);
    }
    let shown = node.content.canonical();
    let message = format!("scale = {shown} of axis {axis} is not allowed; allowed: \"linear\", \"log\"");
    Err(vec![Issue::new(&node.origin, message)])
}

fn counted(
    axis: &str,
    from: &Number<'_>,
    to: &Number<'_>,
    count: &Node,
    scale: Option<&Node>,
) -> Result<Vec<Content>, Vec<Issue>> {
    let refuse = |origin: &Origin, message: String| Err(vec![Issue::new(origin, message)]);
    let (n, is_log) = (read_count(axis, count)?, read_scale(axis, scale)?);
    if is_log && (from.value <= 0.0 || to.value <= 0.0) {
        let low = if from.value <= 0.0 { from } else { to };
        let message = format!(
            "{} = {} of axis {axis} is on no logarithmic scale; allowed: above 0, or scale = \"linear\"",
            low.name, low.value
        );
        return refuse(low.origin, message);
    }
    let is_whole = from.is_whole && to.is_whole;
    let digits = (from.digits.max(to.digits) + EXTRA_DIGITS).min(MAX_DIGITS) as usize;
    let between = |index: i64| {
        let share = index as f64 / (n - 1) as f64;
        if is_log {
            let value = from.value * libm::exp(share * libm::log(to.value / from.value));
            if is_whole { value } else { format!("{value:.2e}").parse().expect("a number reads back") }
        } else {
            let value = from.value + share * (to.value - from.value);
            format!("{value:.digits$}").parse().expect("a number reads back")
        }
    };
    let value = |index: i64| {
        let value = if index == 0 {
            from.value
        } else if index == n - 1 {
            to.value
        } else {
            between(index)
        };
        if is_whole { Content::Integer((value + 0.5).floor() as i64) } else { Content::Float(value) }
    };
    let values: Vec<Content> = (0..n).map(value).collect();
    if values.windows(2).any(|pair| pair[0].canonical() == pair[1].canonical()) {
        let hint = if is_whole { "; write from and to with a point for numbers between whole ones" } else { "" };
        let message = format!(
            "count = {n} of axis {axis} is more than there are different values from {} to {}{hint}",
            from.value, to.value
        );
        return refuse(&count.origin, message);
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree;
    use std::path::Path;

    fn values(range: &str) -> Result<String, String> {
        let tree = tree::parse(Path::new("x.toml"), &format!("range = {range}")).unwrap();
        let texts =
            |nodes: Vec<Node>| nodes.iter().map(|node| tree::toml_value(&node.content)).collect::<Vec<_>>().join(" ");
        read("k", &tree["range"]).map(texts).map_err(|issues| issues[0].message.clone())
    }

    #[track_caller]
    fn check(range: &str, expect: &str) {
        assert_eq!(values(range), Ok(expect.to_owned()));
    }

    #[track_caller]
    fn refused(range: &str, expect: &str) {
        assert_eq!(values(range), Err(expect.to_owned()));
    }

    #[test]
    fn steps_are_exact_decimals() {
        check("{ from = 0.3, to = 0.9, step = 0.15 }", "0.3 0.45 0.6 0.75 0.9");
        check("{ from = 0, to = 1, step = 0.1 }", "0.0 0.1 0.2 0.3 0.4 0.5 0.6 0.7 0.8 0.9 1.0");
        check("{ from = 1, to = 9, step = 3 }", "1 4 7");
        check("{ from = 3, to = -3, step = -3 }", "3 0 -3");
        check("{ from = -0.2, to = 0.1, step = 0.1 }", "-0.2 -0.1 0.0 0.1");
        check("{ from = 1e-6, to = 3e-6, step = 1e-6 }", "1e-6 2e-6 3e-6");
    }

    #[test]
    fn counted_values_are_even_or_of_even_ratio() {
        check("{ from = 0.1, to = 0.9, count = 5 }", "0.1 0.3 0.5 0.7 0.9");
        check("{ from = 1, to = 1000, count = 4, scale = 'log' }", "1 10 100 1000");
        check("{ from = 1, to = 9, count = 5, scale = 'linear' }", "1 3 5 7 9");
        check("{ from = 0.1, to = 10.0, count = 5, scale = 'log' }", "0.1 0.316 1.0 3.16 10.0");
        check("{ from = 0.0, to = 1.0, count = 4 }", "0.0 0.3333 0.6667 1.0");
        check("{ from = 8.0, to = 1.0, count = 4, scale = 'log' }", "8.0 4.0 2.0 1.0");
    }

    #[test]
    fn a_range_without_sense_is_told_what_is_wrong() {
        refused("{ from = 1, to = 2, step = 0 }", "step = 0 of axis k never arrives; allowed: not 0");
        refused(
            "{ from = 2, to = 1, step = 0.5 }",
            "from = 2 of axis k is above to = 1, and step = 0.5 goes up; exchange from and to, or write \
             step = -0.5",
        );
        refused("{ from = 1, to = 2, count = 1 }", "count = 1 of axis k; allowed: a whole number, at least 2");
        refused(
            "{ from = 1, to = 2, step = 1, count = 2 }",
            "range of axis k has step and count; allowed: one of them",
        );
        refused(
            "{ from = 0, to = 2, count = 2, scale = 'log' }",
            "from = 0 of axis k is on no logarithmic scale; allowed: above 0, or scale = \"linear\"",
        );
        refused("{ from = 0, to = 1, step = 1e-5 }", "range of axis k has 100001 values; allowed: at most 10000");
        refused(
            "{ from = 1, to = 3, count = 4 }",
            "count = 4 of axis k is more than there are different values from 1 to 3; write from and to with a \
             point for numbers between whole ones",
        );
        refused("{ form = 1, to = 3, count = 4 }", "form is not a known key of a range (axis k); did you mean from?");
        assert!(values("{ to = 3, count = 4 }").is_err_and(|error| error.contains("needs from and to: { from = 0.3")));
        assert!(values("{ from = 3, to = 4 }").is_err_and(|error| error.contains("needs step or count")));
        refused(
            "{ from = 1, to = 3, count = 2, scale = 'lin' }",
            "scale = \"lin\" of axis k is not allowed; allowed: \"linear\", \"log\"",
        );
    }
}

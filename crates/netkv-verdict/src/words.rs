//! Numbers as people write them.

/// A time, with three digits and its unit.
pub(crate) fn time(seconds: f64) -> String {
    match seconds {
        seconds if seconds >= 0.9995 => format!("{} s", digits(seconds)),
        seconds if seconds >= 0.000_999_5 => format!("{} ms", digits(seconds * 1e3)),
        seconds => format!("{} us", digits(seconds * 1e6)),
    }
}

/// Three significant digits.
pub(crate) fn digits(value: f64) -> String {
    let decimals = match value.abs() {
        size if size >= 99.95 => 0,
        size if size >= 9.995 => 1,
        _ => 2,
    };
    format!("{value:.decimals$}")
}

/// A share in percent, with a decimal.
pub(crate) fn percent(ratio: f64) -> String {
    format!("{:.1} %", ratio * 100.0)
}

/// What a ratio changes, in percent: "-12.3 %".
pub(crate) fn change(ratio: f64) -> String {
    let percent = (ratio - 1.0) * 100.0;
    if percent.abs() < 0.05 { "0.0 %".to_owned() } else { format!("{percent:+.1} %") }
}

/// "1 point", "2 points".
pub(crate) fn counted(n: usize, noun: &str) -> String {
    if n == 1 { format!("1 {noun}") } else { format!("{n} {noun}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_three_digits_and_the_unit_that_fits() {
        assert_eq!([12.345, 1.0, 0.0453, 0.000_002_5].map(time), ["12.3 s", "1.00 s", "45.3 ms", "2.50 us"]);
        assert_eq!([0.876, 1.0, 1.2345].map(change), ["-12.4 %", "0.0 %", "+23.4 %"]);
    }
}

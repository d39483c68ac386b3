//! Numbers as people write them.

/// A number without trailing zeros.
pub(crate) fn trimmed(value: f64) -> String {
    let long = format!("{value:.6}");
    long.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A number with three significant digits.
pub(crate) fn three_digits(value: f64) -> String {
    let decimals = match value.abs() {
        size if size >= 99.95 => 0,
        size if size >= 9.995 => 1,
        size if size >= 0.995 || size == 0.0 => 2,
        _ => 3,
    };
    format!("{value:.decimals$}")
}

/// A number with its sign; a minus sign is one, and what rounds to nothing has none.
pub(crate) fn signed(value: f64, decimals: usize) -> String {
    let size = format!("{:.decimals$}", value.abs());
    match value {
        _ if size.bytes().all(|byte| b"0.".contains(&byte)) => size,
        value if value < 0.0 => format!("−{size}"),
        _ => format!("+{size}"),
    }
}

/// A share in percent; whole ones without decimals.
pub(crate) fn percent(ratio: f64) -> String {
    format!("{} %", trimmed(libm::round(ratio * 1000.0) / 10.0))
}

/// A context length: 4096 is 4k.
pub(crate) fn tokens(value: f64) -> String {
    if value >= 1024.0 && value % 1024.0 == 0.0 { format!("{}k", value / 1024.0) } else { trimmed(value) }
}

/// A sampling interval; none means that the present is seen.
pub(crate) fn interval(seconds: f64) -> String {
    if seconds == 0.0 { "present".to_owned() } else { format!("{} s", trimmed(seconds)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_people_write_them() {
        assert_eq!((tokens(1024.0), tokens(65536.0), tokens(1000.0)), ("1k".into(), "64k".into(), "1000".into()));
        assert_eq!((percent(0.9), percent(0.455)), ("90 %".into(), "45.5 %".into()));
        assert_eq!((interval(0.0), interval(0.5), interval(60.0)), ("present".into(), "0.5 s".into(), "60 s".into()));
        assert_eq!(
            (three_digits(1.2345), three_digits(123.4), three_digits(0.0512)),
            ("1.23".into(), "123".into(), "0.051".into())
        );
        assert_eq!((trimmed(10.0), trimmed(0.05)), ("10".into(), "0.05".into()));
    }
}

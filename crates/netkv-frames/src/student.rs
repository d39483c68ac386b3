//! Student's t distribution: the quantile that a confidence interval over few seeds needs.
//!
//! The distribution function is 1 - I_x(v/2, 1/2) / 2 with x = v / (v + t^2), I the regularised incomplete beta
//! function by its continued fraction (Lentz's method; Press et al., *Numerical Recipes*, section 6.4); the quantile
//! is found by bisection. Accurate to about 1e-12, and over `libm`, so the same everywhere.

/// The regularised incomplete beta function I_x(a, b).
fn incomplete_beta(a: f64, b: f64, x: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return if x <= 0.0 { 0.0 } else { 1.0 };
    }
    let log_front = libm::lgamma(a + b) - libm::lgamma(a) - libm::lgamma(b) + a * libm::log(x) + b * libm::log(1.0 - x);
    // The fraction converges fast on this side; the other follows by symmetry.
    if x < (a + 1.0) / (a + b + 2.0) {
        libm::exp(log_front) * beta_fraction(a, b, x) / a
    } else {
        1.0 - libm::exp(log_front) * beta_fraction(b, a, 1.0 - x) / b
    }
}

fn beta_fraction(a: f64, b: f64, x: f64) -> f64 {
    const TINY: f64 = 1e-300;
    let guard = |value: f64| if value.abs() < TINY { TINY } else { value };
    let mut c = 1.0;
    let mut d = 1.0 / guard(1.0 - (a + b) * x / (a + 1.0));
    let mut fraction = d;
    for step in 1..500 {
        let m = f64::from(step);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        d = 1.0 / guard(1.0 + even * d);
        c = guard(1.0 + even / c);
        fraction *= d * c;
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        d = 1.0 / guard(1.0 + odd * d);
        c = guard(1.0 + odd / c);
        fraction *= d * c;
        if (d * c - 1.0).abs() < 1e-15 {
            break;
        }
    }
    fraction
}

/// Probability that a Student t variable with `degrees` degrees of freedom is below `t`, for t at least 0.
fn distribution(t: f64, degrees: f64) -> f64 {
    1.0 - incomplete_beta(degrees / 2.0, 0.5, degrees / (degrees + t * t)) / 2.0
}

/// Probability that the mean of `n` values is so many standard errors from the truth or more, to either side; 1 if it is none.
pub fn two_sided_p(errors: f64, n: usize) -> f64 {
    if errors > 0.0 && n > 1 { incomplete_beta_of(errors, (n - 1) as f64) } else { 1.0 }
}

/// 1 - F(t) to either side, without the loss of digits that a difference to 1 has.
fn incomplete_beta_of(t: f64, degrees: f64) -> f64 {
    incomplete_beta(degrees / 2.0, 0.5, degrees / (degrees + t * t))
}

/// The value that a Student t variable with `degrees` degrees of freedom is below with probability `probability`.
///
/// # Panics
/// If `probability` is not in [0.5, 1), or `degrees` is not positive.
pub fn student_t_quantile(probability: f64, degrees: f64) -> f64 {
    assert!((0.5..1.0).contains(&probability) && degrees > 0.0, "{probability} with {degrees} degrees");
    let (mut low, mut high) = (0.0, 1.0);
    while distribution(high, degrees) < probability {
        high *= 2.0;
    }
    for _ in 0..200 {
        let middle = (low + high) / 2.0;
        if middle == low || middle == high {
            break;
        }
        if distribution(middle, degrees) < probability { low = middle } else { high = middle }
    }
    (low + high) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of the usual tables, to the digits that they print.
    #[test]
    fn quantiles_equal_the_tables() {
        for (probability, degrees, expected) in [
            (0.975, 1.0, 12.706_204_736),
            (0.975, 2.0, 4.302_652_730),
            (0.975, 4.0, 2.776_445_105),
            (0.975, 9.0, 2.262_157_163),
            (0.975, 29.0, 2.045_229_642),
            (0.95, 4.0, 2.131_846_786),
            (0.995, 4.0, 4.604_094_871),
            (0.975, 1e6, 1.959_966_357),
        ] {
            let got = student_t_quantile(probability, degrees);
            assert!((got / expected - 1.0).abs() < 1e-8, "t({probability}, {degrees}) = {got}, not {expected}");
        }
        assert!(student_t_quantile(0.5, 3.0).abs() < 1e-12);
        assert!((two_sided_p(2.776_445_105, 5) - 0.05).abs() < 1e-9 && two_sided_p(-1.0, 5) == 1.0);
    }
}

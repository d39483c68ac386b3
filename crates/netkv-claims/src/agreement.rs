//! How well whole tables agree: numbers of one kind at many places, ours against the paper's.

use crate::file::Claim;
use crate::judge::Judged;
use crate::wording::of_difference;

/// Fewer numbers than this say little about a correlation. Chosen by us.
const FEWEST: usize = 10;

/// Numbers of one kind: printed in one place, of one metric, compared with one policy.
#[derive(Clone, Debug, PartialEq)]
pub struct Agreement {
    /// Where they are printed.
    pub place: String,
    /// The metric, and what it is compared with.
    pub metric: String,
    /// How many.
    pub n: usize,
    /// Pearson's correlation of ours with theirs; none if one side does not vary.
    pub correlation: Option<f64>,
    /// Mean of ours less theirs, in `unit`.
    pub mean_difference: f64,
    /// Their unit.
    pub unit: String,
}

impl Agreement {
    /// In a sentence.
    pub fn words(&self) -> String {
        let correlation = self.correlation.map_or_else(|| "none".to_owned(), |correlation| format!("{correlation:.2}"));
        let Self { place, metric, n, mean_difference, .. } = self;
        let unit = of_difference(&self.unit);
        format!(
            "{place}, {metric}: {n} numbers, correlation {correlation}, ours less the paper's {mean_difference:+.2} {unit} on average"
        )
    }
}

/// For each kind of number with at least ten: how well ours agree with the paper's, fitted ones apart.
pub fn agreements(judged: &[Judged]) -> Vec<Agreement> {
    let kind = |claim: &Claim| (claim.place.clone(), claim.metric.clone(), claim.measure, claim.against.clone());
    let mut kinds = Vec::new();
    for one in judged {
        let own = kind(&one.claim);
        if !kinds.contains(&own) {
            kinds.push(own);
        }
    }
    let agreement = |wanted: &(String, String, _, String)| {
        let of_kind = judged.iter().filter(|one| kind(&one.claim) == *wanted && !one.claim.fitted);
        let (numbers, units): (Vec<(f64, f64)>, Vec<&str>) =
            of_kind.filter_map(|one| Some(((one.ours?.value, one.claim.printed), one.claim.unit.as_str()))).unzip();
        let n = numbers.len();
        let against = if wanted.3.is_empty() { String::new() } else { format!(" against {}", wanted.3) };
        (n >= FEWEST && units.iter().all(|unit| *unit == units[0])).then(|| Agreement {
            place: wanted.0.clone(),
            metric: format!("{}{against}", wanted.1),
            n,
            correlation: correlation(&numbers),
            mean_difference: numbers.iter().map(|(ours, theirs)| ours - theirs).sum::<f64>() / n as f64,
            unit: units[0].to_owned(),
        })
    };
    kinds.iter().filter_map(agreement).collect()
}

fn correlation(numbers: &[(f64, f64)]) -> Option<f64> {
    let n = numbers.len() as f64;
    let (ours, theirs) = numbers.iter().fold((0.0, 0.0), |sum, one| (sum.0 + one.0 / n, sum.1 + one.1 / n));
    let sums = numbers
        .iter()
        .map(|one| (one.0 - ours, one.1 - theirs))
        .fold([0.0; 3], |[xx, yy, xy], (x, y)| [xx + x * x, yy + y * y, xy + x * y]);
    let scale = (sums[0] * sums[1]).sqrt();
    (scale > 0.0).then(|| sums[2] / scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn correlation_is_one_for_a_line_and_none_for_a_constant() {
        let line: Vec<(f64, f64)> = (0..5).map(|x| (f64::from(x), 3.0 - 2.0 * f64::from(x))).collect();
        assert!((correlation(&line).unwrap() + 1.0).abs() < 1e-12);
        assert_eq!(correlation(&[(1.0, 1.0), (1.0, 2.0)]), None);
        // Worked by hand: x = 1, 2, 3 and y = 1, 3, 2 have sums 2, 2 and 1.
        assert!((correlation(&[(1.0, 1.0), (2.0, 3.0), (3.0, 2.0)]).unwrap() - 0.5).abs() < 1e-12);
    }
}

//! Least squares with coefficients that are not negative.
//!
//! Rows are relative: each is the model's columns over the measurement, so that 1 is aimed at and errors are relative. The
//! problems are tiny (a handful of columns), so everything is done on the matrix of column products. Additions,
//! multiplications, divisions and square roots only, in a fixed order: the same bits everywhere.

/// Columns whose angle has a sine below the root of this are taken for one: what is left of a column of length 1 when the
/// others are taken out of it, squared.
const COLLINEAR: f64 = 1e-9;

/// A gradient below this, for columns of length 1 and targets of 1, is none.
const FLAT: f64 = 1e-12;

/// Products of the columns with each other and with the target, each column scaled to length 1.
struct Products {
    scale: Vec<f64>,
    gram: Vec<Vec<f64>>,
    target: Vec<f64>,
}

impl Products {
    fn of(rows: &[Vec<f64>]) -> Self {
        let n = rows.first().map_or(0, Vec::len);
        let dot = |one: usize, two: usize| rows.iter().map(|row| row[one] * row[two]).sum::<f64>();
        let scale: Vec<f64> = (0..n).map(|column| dot(column, column).sqrt().recip()).collect();
        // A column of zeros says nothing, and gets nothing.
        let scale: Vec<f64> = scale.into_iter().map(|scale| if scale.is_finite() { scale } else { 0.0 }).collect();
        let scaled = |one: usize, two: usize| dot(one, two) * scale[one] * scale[two];
        let gram = (0..n).map(|one| (0..n).map(|two| scaled(one, two)).collect()).collect();
        let target = (0..n).map(|column| rows.iter().map(|row| row[column]).sum::<f64>() * scale[column]).collect();
        Self { scale, gram, target }
    }

    /// The coefficients of the given columns that fit best, whatever their sign; none if the columns are not independent.
    fn solve(&self, columns: &[usize]) -> Option<Vec<f64>> {
        // Cholesky: gram = L L^T.
        let n = columns.len();
        let mut lower = vec![vec![0.0; n]; n];
        for row in 0..n {
            for column in 0..=row {
                let done: f64 = (0..column).map(|before| lower[row][before] * lower[column][before]).sum();
                let left = self.gram[columns[row]][columns[column]] - done;
                if row != column {
                    lower[row][column] = left / lower[column][column];
                } else if left > COLLINEAR {
                    lower[row][row] = left.sqrt();
                } else {
                    return None;
                }
            }
        }
        let mut half = vec![0.0; n];
        for row in 0..n {
            let done: f64 = (0..row).map(|before| lower[row][before] * half[before]).sum();
            half[row] = (self.target[columns[row]] - done) / lower[row][row];
        }
        let mut solution = vec![0.0; n];
        for row in (0..n).rev() {
            let done: f64 = (row + 1..n).map(|after| lower[after][row] * solution[after]).sum();
            solution[row] = (half[row] - done) / lower[row][row];
        }
        Some(solution)
    }
}

/// Whether the rows determine a coefficient for every column.
pub(super) fn is_determined(rows: &[Vec<f64>]) -> bool {
    let products = Products::of(rows);
    let all: Vec<usize> = (0..products.scale.len()).collect();
    products.solve(&all).is_some()
}

/// The coefficients, none negative, with the least sum of (row x coefficients - 1)^2: the active-set method of Lawson and
/// Hanson, *Solving Least Squares Problems*, chapter 23. A column that the others make up gets 0.
pub(super) fn non_negative(rows: &[Vec<f64>]) -> Vec<f64> {
    let products = Products::of(rows);
    let n = products.scale.len();
    let mut solution = vec![0.0; n];
    let (mut used, mut barred): (Vec<usize>, Vec<bool>) = (Vec::new(), vec![false; n]);
    loop {
        let gradient = |column: usize| {
            let reached: f64 = used.iter().map(|&other| products.gram[column][other] * solution[other]).sum();
            products.target[column] - reached
        };
        let free = (0..n).filter(|column| !used.contains(column) && !barred[*column]);
        let steepest = free.map(|column| (gradient(column), column)).max_by(|one, two| one.0.total_cmp(&two.0));
        let Some((_, entering)) = steepest.filter(|(gradient, _)| *gradient > FLAT) else { break };
        used.push(entering);
        while let Some(wanted) = products.solve(&used) {
            // As far towards what is wanted as nothing turns negative.
            let share = used.iter().zip(&wanted).filter(|(_, wanted)| **wanted <= 0.0);
            let share =
                share.map(|(&column, wanted)| solution[column] / (solution[column] - wanted)).fold(1.0, f64::min);
            for (&column, wanted) in used.iter().zip(&wanted) {
                solution[column] += share * (wanted - solution[column]);
            }
            if wanted.iter().all(|wanted| *wanted > 0.0) {
                break;
            }
            let gone =
                used.iter().zip(&wanted).filter(|(column, wanted)| **wanted <= 0.0 && solution[**column] <= FLAT);
            let gone: Vec<usize> = gone.map(|(&column, _)| column).collect();
            used.retain(|column| !gone.contains(column));
            gone.iter().for_each(|&column| solution[column] = 0.0);
            // A column that leaves as soon as it enters would do so for ever: rounding alone lets that happen.
            barred[entering] |= gone.contains(&entering);
        }
        if products.solve(&used).is_none() {
            used.retain(|&column| column != entering);
            barred[entering] = true;
        }
    }
    solution.iter().zip(&products.scale).map(|(coefficient, scale)| coefficient * scale).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use netkv_units::Stream;

    fn squares(rows: &[Vec<f64>], coefficients: &[f64]) -> f64 {
        let error = |row: &Vec<f64>| row.iter().zip(coefficients).map(|(own, one)| own * one).sum::<f64>() - 1.0;
        rows.iter().map(|row| error(row) * error(row)).sum()
    }

    /// The least sum of squares over every choice of columns whose best coefficients are all positive.
    fn least_by_trying_all(rows: &[Vec<f64>]) -> f64 {
        let products = Products::of(rows);
        let n = products.scale.len();
        let mut least = squares(rows, &vec![0.0; n]);
        for choice in 1..1_u32 << n {
            let columns: Vec<usize> = (0..n).filter(|column| choice >> column & 1 == 1).collect();
            let Some(own) = products.solve(&columns).filter(|own| own.iter().all(|one| *one >= 0.0)) else { continue };
            let mut all = vec![0.0; n];
            columns.iter().zip(&own).for_each(|(&column, own)| all[column] = own * products.scale[column]);
            least = least.min(squares(rows, &all));
        }
        least
    }

    #[test]
    fn no_choice_of_columns_fits_better() {
        let mut stream = Stream::new(1, "least squares");
        let mut n_at_zero = 0;
        for case in 0..2_000 {
            let (n, m) = (1 + case % 6, 7 + case % 9);
            let mut entry = || stream.below(2_000_001) as f64 / 1e6 - if case % 3 == 0 { 1.0 } else { 0.5 };
            let rows: Vec<Vec<f64>> = (0..m).map(|_| (0..n).map(|_| entry()).collect()).collect();
            let found = non_negative(&rows);
            assert!(found.iter().all(|one| *one >= 0.0), "case {case}: {found:?}");
            let (own, least) = (squares(&rows, &found), least_by_trying_all(&rows));
            assert!(own <= least * (1.0 + 1e-9) + 1e-12, "case {case}: {own} is more than {least}");
            n_at_zero += found.iter().filter(|one| **one == 0.0).count();
        }
        assert!(n_at_zero > 1_000, "the bound binds often: {n_at_zero}");
    }

    #[test]
    fn what_follows_a_model_exactly_gives_its_coefficients_back() {
        let rows: Vec<Vec<f64>> = (1..20)
            .map(|n| {
                let (n, pairs) = (f64::from(n), f64::from(n * n) / 2.0);
                let time = 7.0 + 0.25 * n + 0.001 * pairs;
                vec![1.0 / time, n / time, pairs / time]
            })
            .collect();
        let found = non_negative(&rows);
        for (found, expected) in found.iter().zip([7.0, 0.25, 0.001]) {
            assert!((found / expected - 1.0).abs() < 1e-9, "{found} is not {expected}");
        }
    }

    #[test]
    fn columns_that_cannot_be_told_apart_are_noticed() {
        let rows: Vec<Vec<f64>> = (1..9).map(|n| vec![1.0 / f64::from(n), 3.0 / f64::from(n), 1.0]).collect();
        assert!(!is_determined(&rows));
        assert!(is_determined(&rows.iter().map(|row| vec![row[0], row[2]]).collect::<Vec<_>>()));
        assert!(non_negative(&rows).iter().filter(|one| **one > 0.0).count() <= 2);
    }
}

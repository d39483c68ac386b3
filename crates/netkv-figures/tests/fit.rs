//! The figure of a profile's fit: what it says, and that it is the same every time.

use netkv_figures::{FitColumn, FitPoint, FitSeries, fit_figure, png};

fn column(title: &str, series: usize) -> FitColumn {
    let point = |index: usize, x: f64| FitPoint {
        x,
        measured_ms: 10.0 + x * (index + 1) as f64,
        fitted_ms: 11.0 + x * (index + 1) as f64,
        error_percent: 100.0 / (10.0 + x * (index + 1) as f64),
    };
    FitColumn {
        title: title.to_owned(),
        note: format!("{} points", 4 * series),
        x_title: "Tokens".to_owned(),
        series: (0..series)
            .map(|index| FitSeries {
                label: format!("series {index}"),
                points: [256.0, 1024.0, 4096.0, 16_384.0].map(|x| point(index, x)).to_vec(),
            })
            .collect(),
    }
}

#[test]
fn the_figure_shows_both_phases_with_their_keys_times_and_errors() {
    let draw = || fit_figure("A <profile>", &[column("Prefill", 3), column("Decode", 9)], "Points: measurements.");
    let svg = draw().expect("a figure");
    for words in ["Prefill", "Decode", "12 points", "series 0", "series 8", "Time (ms)", "256", "16k", "Tokens"] {
        assert!(svg.contains(&format!("\n{words}\n")) || svg.contains(&format!(">{words}<")), "{words} is not there");
    }
    assert!(svg.contains("A &lt;profile&gt;") && svg.contains("Points: measurements."));
    // Each point stands in both panels, with its rim.
    assert_eq!(svg.matches("<circle").count(), 2 * 2 * 4 * (3 + 9));
    assert_eq!(svg, draw().expect("the figure again"));
    assert!(png(&svg).expect("a picture").starts_with(b"\x89PNG"));
}

#[test]
fn a_phase_without_points_or_with_impossible_ones_is_not_drawn() {
    let empty = FitColumn { series: Vec::new(), ..column("Decode", 1) };
    let error = fit_figure("", &[column("Prefill", 1), empty], "").expect_err("nothing to draw");
    assert_eq!(error.to_string(), "Decode has no points, or some below zero");
    let mut negative = column("Decode", 1);
    negative.series[0].points[1].measured_ms = -1.0;
    assert!(fit_figure("", &[column("Prefill", 1), negative], "").is_err());
}

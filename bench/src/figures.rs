//! What is said of several runs: median, spread, quantiles, and how a cost grows.
//!
//! Means are left out on purpose: one disturbed run of three moves a mean, and not a median.

/// A count as a figure. Counts here stay far below the point where that would lose a digit.
pub(crate) fn number(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::INFINITY, f64::from)
}

/// The same for counts that others keep.
pub(crate) fn big(count: u64) -> f64 {
    u32::try_from(count).map_or(f64::INFINITY, f64::from)
}

/// Median and extremes of some runs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    /// The middle run, or the mean of the two in the middle.
    pub(crate) median: f64,
    /// The lowest run.
    pub(crate) low: f64,
    /// The highest run.
    pub(crate) high: f64,
}

/// None of no runs.
pub(crate) fn spread(runs: &[f64]) -> Option<Spread> {
    Some(Spread { median: quantile(runs, 0.5)?, low: quantile(runs, 0.0)?, high: quantile(runs, 1.0)? })
}

/// The value below which `share` (0 to 1) of the values lie, on the straight line between neighbours.
pub(crate) fn quantile(values: &[f64], share: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let place = number(sorted.len().checked_sub(1)?) * share.clamp(0.0, 1.0);
    let mut below = *sorted.first()?;
    for (index, value) in sorted.iter().enumerate() {
        let index = number(index);
        if index >= place {
            return Some(below + (value - below) * (1.0 - (index - place)));
        }
        below = *value;
    }
    Some(below)
}

/// A straight line through points, by least squares.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Line {
    /// Growth for each one more.
    pub(crate) slope: f64,
    /// Where it starts.
    pub(crate) start: f64,
    /// Share of the variance that the line explains: 1 is a straight line.
    pub(crate) fit: f64,
}

/// None if the points have no line: fewer than two places.
pub(crate) fn line(points: &[(f64, f64)]) -> Option<Line> {
    let count = number(points.len());
    let mean = |pick: fn(&(f64, f64)) -> f64| points.iter().map(pick).sum::<f64>() / count;
    let (middle, height) = (mean(|point| point.0), mean(|point| point.1));
    let (mut along, mut both, mut up) = (0.0, 0.0, 0.0);
    for (x, y) in points {
        along += (x - middle).powi(2);
        both += (x - middle) * (y - height);
        up += (y - height).powi(2);
    }
    if points.len() < 2 || along == 0.0 {
        return None;
    }
    let slope = both / along;
    let fit = if up == 0.0 { 1.0 } else { both * both / (along * up) };
    Some(Line { slope, start: height - slope * middle, fit })
}

/// Three significant digits, and no more than a reader can use.
pub(crate) fn short(value: f64) -> String {
    let size = value.abs();
    if value == 0.0 {
        "0".to_owned()
    } else if size >= 1_000.0 {
        grouped(value)
    } else if size >= 100.0 {
        format!("{value:.0}")
    } else if size >= 10.0 {
        format!("{value:.1}")
    } else if size >= 0.1 {
        format!("{value:.2}")
    } else {
        format!("{value:.4}")
    }
}

/// Whole, in groups of three digits.
fn grouped(value: f64) -> String {
    let digits = format!("{value:.0}");
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits.as_str()), |rest| ("-", rest));
    let mut out = String::from(sign);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            out.push(' ');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is(found: Option<f64>, wanted: f64) {
        assert!((found.unwrap() - wanted).abs() < 1e-9, "{found:?} is not {wanted}");
    }

    #[test]
    fn a_median_is_the_middle_run_in_any_order() {
        is(quantile(&[3.0, 1.0, 2.0], 0.5), 2.0);
        is(quantile(&[4.0, 1.0, 3.0, 2.0], 0.5), 2.5);
        is(quantile(&[7.0], 0.5), 7.0);
        assert_eq!(quantile(&[], 0.5), None);
        assert_eq!(spread(&[5.0, 9.0, 1.0]), Some(Spread { median: 5.0, low: 1.0, high: 9.0 }));
    }

    #[test]
    fn a_quantile_lies_between_its_neighbours() {
        let values: Vec<f64> = (0..=100).map(f64::from).collect();
        is(quantile(&values, 0.99), 99.0);
        is(quantile(&values, 1.0), 100.0);
        is(quantile(&[0.0, 10.0], 0.25), 2.5);
    }

    #[test]
    fn a_line_has_the_slope_of_its_points_and_says_how_straight_they_are() {
        let straight = line(&[(1.0, 5.0), (2.0, 7.0), (10.0, 23.0)]).unwrap();
        is(Some(straight.slope), 2.0);
        is(Some(straight.start), 3.0);
        is(Some(straight.fit), 1.0);
        let bent = line(&[(1.0, 1.0), (2.0, 4.0), (3.0, 9.0), (10.0, 100.0)]).unwrap();
        assert!(bent.fit < 0.99, "{bent:?}");
        assert_eq!(line(&[(1.0, 2.0)]), None);
        assert_eq!(line(&[(1.0, 2.0), (1.0, 3.0)]), None);
    }

    #[test]
    fn figures_are_short() {
        let all = [0.0, 0.012_34, 1.036, 54.95, 173.2, 30_000.0, -1_234_567.0].map(short);
        assert_eq!(all, ["0", "0.0123", "1.04", "55.0", "173", "30 000", "-1 234 567"]);
    }
}

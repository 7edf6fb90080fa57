//! Plots in SVG, drawn from what a row measured: costs against a number of objects, with the straight line through them.
//!
//! Both axes are linear, because the claim is that costs lie on a straight line; on logarithmic ones every power does.

use std::fmt::Write as _;

use crate::figures::{line, short};

/// One curve with a panel of its own.
#[derive(Clone, Debug)]
pub(crate) struct Panel {
    /// What goes up.
    pub(crate) title: String,
    /// Its unit.
    pub(crate) unit: &'static str,
    /// How many, and what it cost.
    pub(crate) points: Vec<(f64, f64)>,
}

const WIDTH: f64 = 420.0;
const HEIGHT: f64 = 260.0;
const LEFT: f64 = 60.0;
const TOP: f64 = 44.0;
const INNER_WIDTH: f64 = 330.0;
const INNER_HEIGHT: f64 = 170.0;

/// Panels in rows of two.
pub(crate) fn svg(panels: &[Panel]) -> String {
    let rows = panels.len().div_ceil(2);
    let (width, height) = (2.0 * WIDTH, HEIGHT * crate::figures::number(rows));
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"11\">\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"white\"/>\n"
    );
    for (number, panel) in panels.iter().enumerate() {
        let (column, row) = (crate::figures::number(number % 2), crate::figures::number(number / 2));
        // Writing to a String does not fail.
        _ = writeln!(out, "<g transform=\"translate({} {})\">", column * WIDTH, row * HEIGHT);
        out += &drawn(panel);
        out += "</g>\n";
    }
    out + "</svg>\n"
}

fn drawn(panel: &Panel) -> String {
    let most = |pick: fn(&(f64, f64)) -> f64| panel.points.iter().map(pick).fold(f64::MIN_POSITIVE, f64::max);
    let (right, top) = (most(|point| point.0), most(|point| point.1));
    let x = |value: f64| LEFT + value / right * INNER_WIDTH;
    let y = |value: f64| TOP + INNER_HEIGHT - value / top * INNER_HEIGHT;
    let mut out = String::new();
    _ = writeln!(out, "<text x=\"{LEFT}\" y=\"18\" font-size=\"13\">{}</text>", panel.title);
    _ = writeln!(out, "<text x=\"{LEFT}\" y=\"34\" fill=\"#555\">{}</text>", told(panel));
    let (bottom, end) = (y(0.0), x(right));
    _ = writeln!(out, "<path d=\"M{LEFT} {TOP} V{bottom} H{end}\" fill=\"none\" stroke=\"black\"/>");
    if let Some(line) = line(&panel.points) {
        let (from, to) = (y(line.start), y(line.start + line.slope * right));
        _ = writeln!(out, "<path d=\"M{LEFT} {from:.1} L{end} {to:.1}\" stroke=\"#c33\" stroke-dasharray=\"4 3\"/>");
    }
    let path: Vec<String> = panel.points.iter().map(|(a, b)| format!("{:.1} {:.1}", x(*a), y(*b))).collect();
    _ = writeln!(out, "<path d=\"M{}\" fill=\"none\" stroke=\"#246\"/>", path.join(" L"));
    for (a, b) in &panel.points {
        let (across, up) = (x(*a), y(*b));
        _ = writeln!(out, "<circle cx=\"{across:.1}\" cy=\"{up:.1}\" r=\"3\" fill=\"#246\"/>");
        // Below a tenth of the axis the labels would lie on each other; the table has them.
        if *a < right / 10.0 {
            continue;
        }
        let (above, below) = (up - 7.0, bottom + 15.0);
        let (cost, many) = (short(*b), short(*a));
        _ = writeln!(out, "<text x=\"{across:.1}\" y=\"{above:.1}\" text-anchor=\"middle\">{cost}</text>");
        _ = writeln!(out, "<text x=\"{across:.1}\" y=\"{below:.1}\" text-anchor=\"middle\">{many}</text>");
    }
    out
}

/// The slope in words.
pub(crate) fn told(panel: &Panel) -> String {
    line(&panel.points).map_or_else(String::new, |line| {
        let each = short(line.slope * 1_000.0);
        format!("{each} {} per 1 000 objects, straight to {:.3}", panel.unit, line.fit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plot_has_every_point_and_tells_the_slope() {
        let points = vec![(100.0, 1.0), (1_000.0, 10.0), (10_000.0, 100.0)];
        let panel = Panel { title: "memory".to_owned(), unit: "MB", points };
        let drawn = svg(&[panel.clone(), panel.clone(), panel]);
        assert_eq!(drawn.matches("<circle").count(), 9);
        assert_eq!(drawn.matches("middle").count(), 12, "two labels for each point but the first, which has no room");
        assert_eq!(drawn.matches("10.0 MB per 1 000 objects, straight to 1.000").count(), 3);
        assert!(!drawn.contains("NaN") && !drawn.contains("inf"), "{drawn}");
        assert_eq!(drawn.matches("<g ").count(), drawn.matches("</g>").count());
    }
}

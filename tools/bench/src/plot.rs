//! The plot of time and memory over the number of resources, as SVG.

use std::fmt::Write as _;

/// A line of a plot.
#[derive(Clone, Debug)]
pub struct Line {
    pub label: String,
    /// Number of resources, and value; in ascending order.
    pub points: Vec<(f64, f64)>,
}

/// One plot: lines over the number of resources, from zero.
#[derive(Clone, Debug)]
pub struct Plot {
    pub title: String,
    pub lines: Vec<Line>,
}

const WIDTH: f64 = 420.0;
const HEIGHT: f64 = 300.0;
/// Space for title and axes.
const LEFT: f64 = 56.0;
const TOP: f64 = 40.0;
const RIGHT: f64 = 16.0;
const BOTTOM: f64 = 60.0;
const COLORS: [&str; 3] = ["#0969da", "#9a6700", "#8250df"];

/// The plots side by side. Gray that is readable on white and on black.
pub fn svg(plots: &[Plot]) -> String {
    let mut text = String::new();
    let mut width = 0.0;
    for plot in plots {
        let _ = write!(
            text,
            r#"<g transform="translate({width},0)">{}</g>"#,
            draw(plot)
        );
        text.push('\n');
        width += WIDTH;
    }
    format!(
        concat!(
            r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" "#,
            r##"font-family="sans-serif" font-size="12" fill="#7d8590" stroke-width="2">"##,
            "\n{text}</svg>\n"
        ),
        width = width,
        height = HEIGHT,
        text = text
    )
}

fn draw(plot: &Plot) -> String {
    let points = || plot.lines.iter().flat_map(|line| &line.points);
    let top = |values: &mut dyn Iterator<Item = f64>| round_up(values.fold(0.0, f64::max));
    let max_x = top(&mut points().map(|point| point.0));
    let max_y = top(&mut points().map(|point| point.1));
    let x = |value: f64| LEFT + value / max_x * (WIDTH - LEFT - RIGHT);
    let y = |value: f64| HEIGHT - BOTTOM - value / max_y * (HEIGHT - TOP - BOTTOM);

    let mut out = format!(
        r#"<text x="{LEFT}" y="20" font-size="14">{}</text>"#,
        plot.title
    );
    for quarter in [0.0, 0.25, 0.5, 0.75, 1.0] {
        let (value_x, value_y) = (max_x * quarter, max_y * quarter);
        let (at_x, at_y) = (x(value_x), y(value_y));
        let right = WIDTH - RIGHT;
        let _ = write!(
            out,
            concat!(
                r##"<path d="M{l} {y:.1}H{r}" stroke="#7d8590" stroke-opacity=".3" stroke-width="1"/>"##,
                r#"<text x="{t}" y="{ty:.1}" text-anchor="end">{vy}</text>"#,
                r#"<text x="{x:.1}" y="{b}" text-anchor="middle">{vx}</text>"#
            ),
            l = LEFT,
            r = right,
            y = at_y,
            t = LEFT - 6.0,
            ty = at_y + 4.0,
            vy = value_y,
            x = at_x,
            b = HEIGHT - BOTTOM + 18.0,
            vx = value_x,
        );
    }
    for (number, (line, color)) in plot.lines.iter().zip(COLORS.iter().cycle()).enumerate() {
        let path: Vec<String> = line
            .points
            .iter()
            .map(|point| format!("{:.1},{:.1}", x(point.0), y(point.1)))
            .collect();
        let _ = write!(
            out,
            r#"<polyline points="{}" fill="none" stroke="{color}"/>"#,
            path.join(" ")
        );
        let label_x = if number % 2 == 0 {
            LEFT
        } else {
            LEFT + (WIDTH - LEFT) / 2.0
        };
        let label_y = HEIGHT - 24.0 + if number < 2 { 0.0 } else { 16.0 };
        let _ = write!(
            out,
            r#"<text x="{label_x}" y="{label_y}" fill="{color}">{}</text>"#,
            line.label
        );
    }
    out
}

/// To the next of 1, 2, 4 and 8 times a power of ten, whose quarters are short numbers.
fn round_up(value: f64) -> f64 {
    let power = 10_f64.powf(value.max(1.0).log10().floor());
    let steps = [1.0, 2.0, 4.0, 8.0, 10.0].map(|step| step * power);
    let fits = steps.into_iter().find(|step| *step >= value);
    fits.unwrap_or(10.0 * power)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_end_at_round_numbers() {
        let cases = [
            (0.0, 1.0),
            (1.0, 1.0),
            (31.0, 40.0),
            (100.0, 100.0),
            (850.0, 1000.0),
        ];
        for (value, expected) in cases {
            assert!((round_up(value) - expected).abs() < 1e-9, "{value}");
        }
    }

    #[test]
    fn points_lie_within_the_axes() {
        let line = Line {
            label: "peak".to_owned(),
            points: vec![(0.0, 0.0), (100.0, 200.0)],
        };
        let plot = Plot {
            title: "Memory".to_owned(),
            lines: vec![line],
        };
        let image = svg(&[plot]);
        assert!(
            image.contains(r#"points="56.0,240.0 404.0,40.0""#),
            "{image}"
        );
        assert!(image.contains(">Memory<") && image.contains(">peak<"));
        assert_eq!(image.matches('<').count(), image.matches('>').count());
    }
}

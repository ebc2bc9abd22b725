//! A chart of lines over two axes, with a legend at the right.

#![forbid(unsafe_code)]

use super::scale::{Kind, Scale};
use super::svg::Svg;

const WIDTH: f64 = 820.0;
const HEIGHT: f64 = 440.0;
/// The edges of the field that the lines are in.
const LEFT: f64 = 70.0;
const RIGHT: f64 = 650.0;
const TOP: f64 = 46.0;
const BOTTOM: f64 = 385.0;

/// An axis: what it shows, how, and where its ticks are.
#[derive(Clone, Debug)]
pub(crate) struct Axis {
    name: String,
    kind: Kind,
    /// Bounds other than those of the data.
    bounds: Option<(f64, f64)>,
    /// Ticks other than the round values.
    ticks: Option<Vec<(f64, String)>>,
}

/// A line: its name in the legend, and its points, each with a note or without.
#[derive(Clone, Debug, Default)]
pub(crate) struct Line {
    pub(crate) name: String,
    /// The number of its colour and mark. The same thing looks the same in all charts.
    pub(crate) style: usize,
    pub(crate) points: Vec<(f64, f64)>,
    /// Notes of the first points.
    pub(crate) notes: Vec<String>,
    /// Whether each point is marked; a line of hundreds of points is not.
    pub(crate) marked: bool,
}

/// A chart.
#[derive(Clone, Debug)]
pub(crate) struct Chart {
    pub(crate) title: String,
    pub(crate) x: Axis,
    pub(crate) y: Axis,
    pub(crate) lines: Vec<Line>,
}

impl Axis {
    /// An axis from zero up.
    pub(crate) fn linear(name: &str) -> Axis {
        Axis { name: name.into(), kind: Kind::Linear, bounds: None, ticks: None }
    }

    /// An axis of factors.
    pub(crate) fn log(name: &str) -> Axis {
        Axis { kind: Kind::Log, ..Axis::linear(name) }
    }

    /// The same with bounds of its own.
    pub(crate) fn within(self, low: f64, high: f64) -> Axis {
        Axis { bounds: Some((low, high)), ..self }
    }

    /// The same with ticks of its own.
    pub(crate) fn with_ticks(self, ticks: Vec<(f64, String)>) -> Axis {
        Axis { ticks: Some(ticks), ..self }
    }

    fn scale(&self, values: impl Iterator<Item = f64>) -> Option<Scale> {
        match self.bounds {
            Some((low, high)) => Some(Scale::fixed(self.kind, low, high)),
            None => Scale::around(self.kind, values),
        }
    }

    fn ticks(&self, scale: &Scale) -> Vec<(f64, String)> {
        let ticks = self.ticks.clone().unwrap_or_else(|| scale.ticks());
        ticks.into_iter().filter_map(|(value, text)| Some((scale.place(value)?, text))).collect()
    }
}

impl Chart {
    /// The chart as an SVG; none if there is nothing to show.
    pub(crate) fn svg(&self) -> Option<String> {
        let points = || self.lines.iter().flat_map(|line| line.points.iter());
        let x = self.x.scale(points().map(|point| point.0))?;
        let y = self.y.scale(points().map(|point| point.1))?;
        points().next()?;
        let mut svg = Svg::new(WIDTH, HEIGHT);
        svg.text("title", (LEFT, 26.0), "start", &self.title);
        let across = |place: f64| LEFT + place * (RIGHT - LEFT);
        let up = |place: f64| BOTTOM - place * (BOTTOM - TOP);
        for (place, text) in self.x.ticks(&x) {
            let at = across(place);
            svg.line("grid", (at, TOP), (at, BOTTOM));
            svg.text("", (at, BOTTOM + 17.0), "middle", &text);
        }
        for (place, text) in self.y.ticks(&y) {
            let at = up(place);
            svg.line("grid", (LEFT, at), (RIGHT, at));
            svg.text("", (LEFT - 7.0, at + 4.0), "end", &text);
        }
        svg.line("axis", (LEFT, BOTTOM), (RIGHT, BOTTOM));
        svg.line("axis", (LEFT, TOP), (LEFT, BOTTOM));
        svg.text("", ((LEFT + RIGHT) / 2.0, HEIGHT - 16.0), "middle", &self.x.name);
        svg.text_up("", (18.0, (TOP + BOTTOM) / 2.0), &self.y.name);
        for (number, line) in self.lines.iter().enumerate() {
            let place = |&(px, py): &(f64, f64)| Some((across(x.place(px)?), up(y.place(py)?)));
            let places: Vec<_> = line.points.iter().map(place).collect();
            let drawn: Vec<_> = places.iter().flatten().copied().collect();
            if drawn.len() > 1 {
                svg.path(&Svg::line_class(line.style), &drawn);
            }
            for (i, &at) in places.iter().enumerate().filter_map(|(i, p)| Some((i, p.as_ref()?))) {
                if line.marked || drawn.len() == 1 {
                    svg.mark(line.style, at);
                }
                if let Some(note) = line.notes.get(i) {
                    svg.text("small", (at.0 + 6.0, at.1 - 6.0), "start", note);
                }
            }
            let row = TOP + 10.0 + 21.0 * number as f64;
            svg.path(&Svg::line_class(line.style), &[(RIGHT + 16.0, row), (RIGHT + 44.0, row)]);
            if line.marked {
                svg.mark(line.style, (RIGHT + 30.0, row));
            }
            svg.text("", (RIGHT + 51.0, row + 4.0), "start", &line.name);
        }
        Some(svg.finish(&self.title))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(points: Vec<(f64, f64)>) -> Chart {
        Chart {
            title: "pause".into(),
            x: Axis::linear("nodes"),
            y: Axis::log("µs"),
            lines: vec![Line {
                name: "gc <ours>".into(),
                style: 0,
                points,
                notes: vec!["25 %".into()],
                marked: true,
            }],
        }
    }

    #[test]
    fn points_are_where_they_belong() {
        let svg = chart(vec![(0.0, 1.0), (10.0, 100.0), (5.0, 0.0)]).svg().unwrap();
        // The corners of the field; the third point has no logarithm.
        assert!(svg.contains("d=\"M70.0 385.0L650.0 46.0\""), "{svg}");
        assert_eq!(svg.matches("<circle").count(), 3, "two points and the legend");
        for part in ["gc &lt;ours&gt;", ">25 %<", ">nodes<", ">100<"] {
            assert!(svg.contains(part), "{part} is not in\n{svg}");
        }
    }

    #[test]
    fn own_bounds_and_ticks() {
        let mut chart = chart(vec![(1.0, 1.0), (3.0, 2.0)]);
        chart.x =
            chart.x.within(0.0, 2.0).with_ticks(vec![(1.0, "one".into()), (9.0, "out".into())]);
        let svg = chart.svg().unwrap();
        assert!(svg.contains(">one<") && !svg.contains(">out<"), "{svg}");
        assert_eq!(svg.matches("<circle").count(), 2, "one point lies outside");
    }

    #[test]
    fn nothing_is_no_chart() {
        assert_eq!(chart(vec![]).svg(), None);
    }
}

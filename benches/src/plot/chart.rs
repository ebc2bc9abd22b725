//! A chart of lines over two axes, with a legend at the right.
//!
//! plotters sees places along an axis: the values, or their decimal logarithms.

#![forbid(unsafe_code)]

use std::error::Error;
use std::ops::Range;

use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, ValueFormatter};
use plotters::coord::types::RangedCoordf64;
use plotters::element::DashedPathElement;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::theme;

/// The size of a chart, and the width of the part beside the legend.
const SIZE: (u32, u32) = (820, 440);
const FIELD: u32 = 662;
/// The height of a line of the legend.
const ROW: i32 = 21;
/// How many ticks a linear axis has at most.
const TICKS: usize = 9;

type Canvas<'t> = DrawingArea<SVGBackend<'t>, plotters::coord::Shift>;
type Plane<'c, 't> = ChartContext<'c, SVGBackend<'t>, Cartesian2d<Places, Places>>;
type Drawn = Result<(), Box<dyn Error>>;

/// How values are spread along an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// From zero, or from the least value if that is below.
    Linear,
    /// Equal factors are equally long. What is not above zero has no place.
    Log,
}

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

    /// The axis for some values; none if no value has a place.
    fn lay_out(&self, values: impl Iterator<Item = f64>) -> Option<Places> {
        let places = values.filter_map(|value| self.kind.place(value));
        let (low, high) =
            places.fold((f64::MAX, f64::MIN), |(low, high), v| (low.min(v), high.max(v)));
        let (low, high) = match (self.bounds, self.kind) {
            (Some((low, high)), kind) => (kind.place(low)?, kind.place(high)?),
            _ if low > high => return None,
            (None, Kind::Linear) => (low.min(0.0), if high > 0.0 { high * 1.05 } else { 1.0 }),
            // A bit of room on either side, and at least half a decade.
            (None, Kind::Log) => (low - 0.06, (high + 0.06).max(low + 0.5)),
        };
        let ticks = match (&self.ticks, self.kind) {
            (Some(ticks), _) => ticks.clone(),
            (None, Kind::Linear) => {
                let values = RangedCoordf64::from(low..high).key_points(TICKS);
                values.into_iter().map(|value| (value, label(value))).collect()
            }
            (None, Kind::Log) => log_ticks(low, high),
        };
        let place = |(value, text): (f64, String)| Some((self.kind.place(value)?, text));
        let mut places = Places { kind: self.kind, low, high, ticks: Vec::new() };
        places.ticks = ticks.into_iter().filter_map(place).filter(|t| places.holds(t.0)).collect();
        Some(places)
    }
}

impl Kind {
    /// The place of a value, if it has one.
    fn place(self, value: f64) -> Option<f64> {
        match self {
            Kind::Linear => Some(value).filter(|value| value.is_finite()),
            Kind::Log => Some(value.log10()).filter(|place| place.is_finite()),
        }
    }
}

/// Round values between two powers of ten, which are places of a logarithmic axis.
fn log_ticks(low: f64, high: f64) -> Vec<(f64, String)> {
    let factors: &[f64] = match high - low {
        4.0.. => &[1.0],
        1.0.. => &[1.0, 2.0, 5.0],
        _ => &[1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0],
    };
    let decades = low.floor() as i32..=high.ceil() as i32;
    let values = decades.flat_map(|e| factors.iter().map(move |f| f * 10f64.powi(e)));
    values.map(|value| (value, label(value))).collect()
}

/// A round number in few characters.
fn label(x: f64) -> String {
    let (x, unit) = match x.abs() {
        size if size >= 0.999e6 => (x / 1e6, "M"),
        size if size >= 0.999e4 => (x / 1e3, "k"),
        _ => (x, ""),
    };
    // Four decimals at most: a sum of tenths may be a little off.
    format!("{}{unit}", (x * 1e4).round() / 1e4)
}

/// An axis with its bounds and ticks, as places.
#[derive(Clone, Debug)]
struct Places {
    kind: Kind,
    low: f64,
    high: f64,
    ticks: Vec<(f64, String)>,
}

impl Places {
    fn holds(&self, place: f64) -> bool {
        // Rounding may put a bound a little outside.
        (self.low - 1e-9..=self.high + 1e-9).contains(&place)
    }

    /// The place of a value; none if it has none or lies outside.
    fn place(&self, value: f64) -> Option<f64> {
        self.kind.place(value).filter(|place| self.holds(*place))
    }
}

impl Ranged for Places {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, place: &f64, limit: (i32, i32)) -> i32 {
        RangedCoordf64::from(self.low..self.high).map(place, limit)
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        // Light points are further ones between the ticks.
        let ticks = if hint.weight().allow_light_points() { &[][..] } else { &self.ticks };
        ticks.iter().map(|(place, _)| *place).collect()
    }

    fn range(&self) -> Range<f64> {
        self.low..self.high
    }
}

impl ValueFormatter<f64> for Places {
    fn format_ext(&self, place: &f64) -> String {
        let tick = self.ticks.iter().find(|(tick, _)| tick == place);
        tick.map_or(String::new(), |(_, text)| text.clone())
    }
}

impl Chart {
    /// The chart as an SVG; none if there is nothing to show.
    pub(crate) fn svg(&self) -> Option<String> {
        let points = || self.lines.iter().flat_map(|line| line.points.iter());
        points().next()?;
        let x = self.x.lay_out(points().map(|point| point.0))?;
        let y = self.y.lay_out(points().map(|point| point.1))?;
        let mut text = String::new();
        self.draw(&mut text, &x, &y).expect("a String takes every drawing");
        Some(theme::dress(&text, &self.title))
    }

    fn draw(&self, text: &mut String, x: &Places, y: &Places) -> Drawn {
        let page = SVGBackend::with_string(text, SIZE).into_drawing_area();
        page.fill(&theme::PAGE.0)?;
        let (field, legend) = page.split_horizontally(FIELD);
        let mut plane = ChartBuilder::on(&field)
            .margin(12)
            .caption(&self.title, font(19))
            .x_label_area_size(44)
            .y_label_area_size(62)
            .build_cartesian_2d(x.clone(), y.clone())?;
        plane
            .configure_mesh()
            .bold_line_style(theme::GRID.0)
            .light_line_style(TRANSPARENT)
            .axis_style(theme::TEXT.0)
            .label_style(font(15))
            .axis_desc_style(font(15))
            .x_desc(&self.x.name)
            .y_desc(&self.y.name)
            .draw()?;
        for (row, line) in (0..).zip(&self.lines) {
            line.draw(&mut plane, x, y)?;
            line.explain(&legend, 56 + ROW * row)?;
        }
        page.present()?;
        Ok(())
    }
}

impl Line {
    fn draw(&self, plane: &mut Plane<'_, '_>, x: &Places, y: &Places) -> Drawn {
        let place = |&(px, py): &(f64, f64)| Some((x.place(px)?, y.place(py)?));
        let places: Vec<_> = self.points.iter().map(place).collect();
        let drawn: Vec<(f64, f64)> = places.iter().flatten().copied().collect();
        match drawn.len() {
            0 | 1 => {}
            _ if self.is_dashed() => _ = plane.draw_series([self.dashes(drawn.clone())])?,
            _ => _ = plane.draw_series([self.whole(drawn.clone())])?,
        }
        if self.marked || drawn.len() == 1 {
            let mark = |at: &(f64, f64)| EmptyElement::at(*at) + self.mark();
            plane.draw_series(drawn.iter().map(mark))?;
        }
        let noted = places.iter().zip(&self.notes).filter_map(|(at, note)| Some(((*at)?, note)));
        plane.draw_series(noted.map(|(at, note)| {
            EmptyElement::at(at) + Text::new(note.clone(), (6, -14), font(13))
        }))?;
        Ok(())
    }

    /// The line's row of the legend.
    fn explain(&self, legend: &Canvas<'_>, row: i32) -> Drawn {
        let ends = vec![(4, row), (32, row)];
        match self.is_dashed() {
            true => legend.draw(&self.dashes(ends))?,
            false => legend.draw(&self.whole(ends))?,
        }
        if self.marked {
            legend.draw(&(EmptyElement::at((18, row)) + self.mark()))?;
        }
        let left = font(15).pos(Pos::new(HPos::Left, VPos::Center));
        legend.draw(&Text::new(self.name.clone(), (39, row), left))?;
        Ok(())
    }

    /// Whether the line is dashed: the first four styles are not.
    fn is_dashed(&self) -> bool {
        self.style >= 4
    }

    /// A dashed line through points.
    fn dashes<P: Clone>(&self, points: Vec<P>) -> DashedPathElement<std::vec::IntoIter<P>, i32> {
        DashedPathElement::new(points, 6, 4, theme::line(self.style).stroke_width(2))
    }

    /// A line through points.
    fn whole<P: Clone>(&self, points: Vec<P>) -> PathElement<P> {
        PathElement::new(points, theme::line(self.style).stroke_width(2))
    }

    /// The mark of a point: a disc, a square, a triangle or a diamond.
    fn mark(&self) -> Polygon<(i32, i32)> {
        let corners: &[(i32, i32)] = match self.style % 4 {
            0 => &[(-1, -3), (1, -3), (3, -1), (3, 1), (1, 3), (-1, 3), (-3, 1), (-3, -1)],
            1 => &[(-3, -3), (3, -3), (3, 3), (-3, 3)],
            2 => &[(0, -4), (4, 3), (-4, 3)],
            _ => &[(0, -4), (4, 0), (0, 4), (-4, 0)],
        };
        Polygon::new(corners, theme::line(self.style).filled())
    }
}

fn font(size: i32) -> TextStyle<'static> {
    ("system-ui,sans-serif", size).into_font().color(&theme::TEXT.0)
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
    fn the_picture_holds_all() {
        let svg = chart(vec![(0.0, 1.0), (10.0, 100.0), (5.0, 0.0)]).svg().unwrap();
        // The third point has no logarithm.
        let marks = svg.matches("<polygon").count();
        assert_eq!(marks, 3, "two points and the legend: {svg}");
        for part in ["<title>pause</title>", "gc &lt;ours&gt;", "25 %", "nodes", "\n100\n"] {
            assert!(svg.contains(part), "{part} is not in\n{svg}");
        }
        // Every colour has a twin for dark pages.
        assert!(svg.contains("stroke=\"#0072B2\""), "{svg}");
        assert!(svg.contains("[stroke=\"#0072B2\"]{stroke:#56B4E9}"), "{svg}");
    }

    #[test]
    fn own_bounds_and_ticks() {
        let mut chart = chart(vec![(1.0, 1.0), (3.0, 2.0)]);
        chart.x =
            chart.x.within(0.0, 2.0).with_ticks(vec![(1.0, "one".into()), (9.0, "out".into())]);
        let svg = chart.svg().unwrap();
        assert!(svg.contains("\none\n") && !svg.contains("\nout\n"), "{svg}");
        assert_eq!(svg.matches("<polygon").count(), 2, "one point lies outside");
    }

    #[test]
    fn ticks_are_round() {
        let texts = |axis: &Axis, values: &[f64]| -> Vec<String> {
            let places = axis.lay_out(values.iter().copied()).unwrap();
            places.ticks.into_iter().map(|(_, text)| text).collect()
        };
        let log = Axis::log("");
        assert_eq!(texts(&log, &[0.0, 1.5, 90_000.0]), ["10", "100", "1000", "10k", "100k"]);
        assert_eq!(texts(&log, &[100.0, 180.0]), ["100", "150", "200", "300"]);
        assert_eq!(texts(&log, &[0.3, 4.0]), ["0.5", "1", "2"]);
        let linear = texts(&Axis::linear(""), &[3.0, 7.3]);
        assert_eq!((linear.first().unwrap().as_str(), linear.last().unwrap().as_str()), ("0", "7"));
        assert_eq!([0.05, 2.5, 20_000.0, 8e6].map(label), ["0.05", "2.5", "20k", "8M"]);
    }

    #[test]
    fn nothing_is_no_chart() {
        assert_eq!(chart(vec![]).svg(), None);
    }
}

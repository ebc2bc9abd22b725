//! The text of an SVG: elements, and the colours for light and dark pages.
//!
//! A colour is a class, so that the page's theme chooses it. The palette is that of Okabe and Ito,
//! which people with any kind of colour blindness can tell apart. The dark one is the same made
//! lighter. Each line also has a shape of its own.

#![forbid(unsafe_code)]

use std::fmt::Write;

/// Colours of lines on a light page, and on a dark one.
const COLOURS: [(&str, &str); 8] = [
    ("#0072b2", "#56b4e9"),
    ("#d55e00", "#ff9248"),
    ("#009e73", "#35d6a6"),
    ("#b5578c", "#e8a3cb"),
    ("#5f5f5f", "#b8b8b8"),
    ("#9a6a00", "#f0c75e"),
    ("#6a51a3", "#b7a3f0"),
    ("#56b4e9", "#8ccff5"),
];

/// A picture under construction.
#[derive(Debug)]
pub(crate) struct Svg {
    width: f64,
    height: f64,
    body: String,
}

impl Svg {
    pub(crate) fn new(width: f64, height: f64) -> Svg {
        Svg { width, height, body: String::new() }
    }

    fn add(&mut self, element: std::fmt::Arguments<'_>) {
        self.body.write_fmt(element).expect("a String takes every write");
        self.body.push('\n');
    }

    /// A straight line.
    pub(crate) fn line(&mut self, class: &str, from: (f64, f64), to: (f64, f64)) {
        let ((x1, y1), (x2, y2)) = (from, to);
        self.add(format_args!(
            "<line class=\"{class}\" x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>"
        ));
    }

    /// A line through points.
    pub(crate) fn path(&mut self, class: &str, points: &[(f64, f64)]) {
        let mut d = String::new();
        for (i, (x, y)) in points.iter().enumerate() {
            write!(d, "{}{x:.1} {y:.1}", if i == 0 { "M" } else { "L" })
                .expect("a String takes every write");
        }
        self.add(format_args!("<path class=\"{class}\" d=\"{d}\"/>"));
    }

    /// The mark of line number `number` at a point.
    pub(crate) fn mark(&mut self, number: usize, (x, y): (f64, f64)) {
        let class = format!("m c{}", number % COLOURS.len());
        let (r, d) = (3.0, 3.6);
        let polygon = |points: &[(f64, f64)]| {
            let points: Vec<String> = points
                .iter()
                .map(|(dx, dy)| format!("{:.1},{:.1}", x + dx * d, y + dy * d))
                .collect();
            points.join(" ")
        };
        match number % 4 {
            0 => self.add(format_args!(
                "<circle class=\"{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{r}\"/>"
            )),
            1 => {
                let square = polygon(&[(-0.8, -0.8), (0.8, -0.8), (0.8, 0.8), (-0.8, 0.8)]);
                self.add(format_args!("<polygon class=\"{class}\" points=\"{square}\"/>"));
            }
            2 => {
                let triangle = polygon(&[(0.0, -1.1), (1.0, 0.8), (-1.0, 0.8)]);
                self.add(format_args!("<polygon class=\"{class}\" points=\"{triangle}\"/>"));
            }
            _ => {
                let diamond = polygon(&[(0.0, -1.2), (1.2, 0.0), (0.0, 1.2), (-1.2, 0.0)]);
                self.add(format_args!("<polygon class=\"{class}\" points=\"{diamond}\"/>"));
            }
        }
    }

    /// The class of line number `number`.
    pub(crate) fn line_class(number: usize) -> String {
        let dashed = if number >= 4 { " d" } else { "" };
        format!("l c{}{dashed}", number % COLOURS.len())
    }

    /// A text; `anchor` is start, middle or end.
    pub(crate) fn text(&mut self, class: &str, (x, y): (f64, f64), anchor: &str, text: &str) {
        let text = escape(text);
        self.add(format_args!(
            "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>"
        ));
    }

    /// A text that runs upwards, centred at a point.
    pub(crate) fn text_up(&mut self, class: &str, (x, y): (f64, f64), text: &str) {
        let text = escape(text);
        self.add(format_args!(
            "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"middle\" \
             transform=\"rotate(-90 {x:.1} {y:.1})\">{text}</text>"
        ));
    }

    /// The whole picture; `title` is for people who cannot see it.
    pub(crate) fn finish(self, title: &str) -> String {
        let Svg { width, height, body } = self;
        let title = escape(title);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
             height=\"{height}\" role=\"img\">\n<title>{title}</title>\n<style>\n{}</style>\n\
             <rect class=\"page\" width=\"{width}\" height=\"{height}\"/>\n{body}</svg>\n",
            style()
        )
    }
}

/// The style sheet: shapes, then the light colours, then the dark ones.
fn style() -> String {
    let mut style = String::from(
        "text{font-family:system-ui,'Segoe UI',Helvetica,Arial,sans-serif;font-size:12px}\n\
         .title{font-size:15px;font-weight:600}\n.small{font-size:10px}\n\
         .grid,.axis,.l{fill:none}\n.axis{stroke-width:1}\n.l{stroke-width:1.8}\n.d{stroke-dasharray:6 3}\n",
    );
    let page = |style: &mut String, page: &str, text: &str, grid: &str, dark: bool| {
        write!(
            style,
            ".page{{fill:{page}}}\ntext{{fill:{text}}}\n.grid{{stroke:{grid}}}\n.axis{{stroke:{text}}}\n"
        )
        .expect("a String takes every write");
        for (i, (on_light, on_dark)) in COLOURS.iter().enumerate() {
            let colour = if dark { on_dark } else { on_light };
            writeln!(style, ".l.c{i}{{stroke:{colour}}}\n.m.c{i}{{fill:{colour}}}")
                .expect("a String takes every write");
        }
    };
    page(&mut style, "#ffffff", "#24292f", "#e4e7eb", false);
    style.push_str("@media (prefers-color-scheme:dark){\n");
    page(&mut style, "#0d1117", "#d5dae0", "#262c36", true);
    style + "}\n"
}

/// A text as XML wants it.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_well_formed() {
        let mut svg = Svg::new(10.0, 20.0);
        svg.line("axis", (0.0, 1.0), (2.0, 3.04));
        svg.path(&Svg::line_class(5), &[(0.0, 0.0), (1.0, 2.0)]);
        for number in 0..9 {
            svg.mark(number, (1.0, 1.0));
        }
        svg.text("small", (1.0, 1.0), "end", "a < b & c");
        svg.text_up("", (1.0, 1.0), "up");
        let text = svg.finish("p > q");
        for part in [
            "<title>p &gt; q</title>",
            "x1=\"0.0\" y1=\"1.0\" x2=\"2.0\" y2=\"3.0\"",
            "<path class=\"l c5 d\" d=\"M0.0 0.0L1.0 2.0\"/>",
            "a &lt; b &amp; c</text>",
            "rotate(-90 1.0 1.0)",
            "prefers-color-scheme:dark",
        ] {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
        assert!(text.ends_with("</svg>\n"));
        // Every element is closed, in itself or by another.
        let (opened, closed) = (text.matches('<').count(), text.matches("/>").count());
        assert_eq!(opened, closed + 2 * text.matches("</").count());
    }
}

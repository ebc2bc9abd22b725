//! The colours, and how a dark page changes them.
//!
//! The palette is Okabe and Ito's, which people with any kind of colour blindness can tell apart;
//! the dark one is the same made lighter. A shape for each line says it again. A chart is drawn in
//! the light colours. A style sheet then replaces each by its dark twin where the page is dark,
//! because a rule is stronger than an element's attribute.

#![forbid(unsafe_code)]

use std::fmt::Write;

use plotters::style::RGBColor;

/// A colour on a light page, and on a dark one.
pub(super) type Twin = (RGBColor, RGBColor);

const fn rgb(hex: u32) -> RGBColor {
    let [_, red, green, blue] = hex.to_be_bytes();
    RGBColor(red, green, blue)
}

pub(super) const PAGE: Twin = (rgb(0xffffff), rgb(0x0d1117));
pub(super) const TEXT: Twin = (rgb(0x24292f), rgb(0xd5dae0));
pub(super) const GRID: Twin = (rgb(0xe4e7eb), rgb(0x262c36));

/// The colours of lines.
const LINES: [Twin; 8] = [
    (rgb(0x0072b2), rgb(0x56b4e9)),
    (rgb(0xd55e00), rgb(0xff9248)),
    (rgb(0x009e73), rgb(0x35d6a6)),
    (rgb(0xb5578c), rgb(0xe8a3cb)),
    (rgb(0x5f5f5f), rgb(0xb8b8b8)),
    (rgb(0x9a6a00), rgb(0xf0c75e)),
    (rgb(0x6a51a3), rgb(0xb7a3f0)),
    (rgb(0x56b4e9), rgb(0x8ccff5)),
];

/// The light colour of line number `number`.
pub(super) fn line(number: usize) -> RGBColor {
    LINES[number % LINES.len()].0
}

/// Adds the title, for those who cannot see the chart, and the colours of dark pages to an SVG.
pub(super) fn dress(svg: &str, title: &str) -> String {
    let hex = |RGBColor(red, green, blue): RGBColor| format!("#{red:02X}{green:02X}{blue:02X}");
    let mut rules = String::new();
    for (light, dark) in [PAGE, TEXT, GRID].into_iter().chain(LINES) {
        let (light, dark) = (hex(light), hex(dark));
        for attribute in ["fill", "stroke"] {
            writeln!(rules, "[{attribute}=\"{light}\"]{{{attribute}:{dark}}}")
                .expect("a String takes every write");
        }
    }
    let title = title.replace('&', "&amp;").replace('<', "&lt;");
    let dark = format!("@media (prefers-color-scheme:dark){{\n{rules}}}");
    let head = format!("<title>{title}</title>\n<style>\n{dark}\n</style>\n");
    // After the first element, which is the picture itself.
    let (picture, body) = svg.split_at(svg.find(">\n").map_or(0, |end| end + 2));
    format!("{}{head}{body}", picture.replacen("<svg ", "<svg role=\"img\" ", 1))
}
